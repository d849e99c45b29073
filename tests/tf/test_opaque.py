"""The stand-in for a layer that is not rebuilt has the shape and dtype that is told of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from corpus import stored

from opcheck.confine import environment

from .conftest import FIXTURES

OPTIONS = ["-t", "metal@1.2.0", "--step", "inference", "--evidence", "predicted", "-f", "json"]
# Of the cases of opaque_worker.py: what Keras takes the outputs for, and what they are.
EXPECTED = [
    ([[[None, 4, 4], "float32"]], [[[2, 4, 4], "float32"]]),
    ([[[None, None, 3], "float32"]], [[[2, 6, 3], "float32"]]),
    ([[[None, None, 8], "float32"]], [[[2, 6, 8], "float32"]]),
    (
        [[[None, 2], "float32"], [[None, 3], "int64"]],
        [[[2, 2], "float32"], [[2, 3], "int64"]],
    ),
    ([[[None, 5], "int32"]], [[[2, 5], "int32"]]),
    ([[[None, 2], "string"]], [[[2, 2], "string"]]),
    ([[[None], "float32"]], [[[2], "float32"]]),
    ([[[None, 4], "float16"]], [[[2, 4], "float16"]]),
    (
        [[[None, 2], "float32"], [[None, 4], "float32"]],
        [[[2, 2], "float32"], [[2, 4], "float32"]],
    ),
]


def test_shapes_and_dtypes() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("opaque_worker.py"))],
        env={**environment(os.environ), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    packages = list(dict.fromkeys(package for package, _, _ in lines))
    assert packages
    found = [(symbolic, real) for _, symbolic, real in lines]
    assert found == EXPECTED * len(packages)


def test_a_custom_optimizer_does_not_take_the_loss_along(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    with stored(path) as file:
        mine = {"class_name": "Mine", "config": {"learning_rate": 0.1}}
        file.attrs["training_config"] = json.dumps({"loss": "mae", "optimizer_config": mine})
    code, report, _ = _check(str(path), "--step", "training")
    (result,) = report["results"]  # type: ignore[misc]
    assert code == 2
    assert (result["loss"], result["optimizer"]) == ("mean_absolute_error", "Adam")
    assert result["defaults"] == ["optimizer"]
    assert [gap for gap in result["incomplete"] if "Mine is not part of Keras" in gap]


def test_no_copy_of_a_model_of_a_class_of_its_own(tmp_path: Path) -> None:
    """Its ``call`` is not in the file: what opcheck would rewrite is another model."""
    path = tmp_path / "model.h5"
    shutil.copy(FIXTURES / "cnn3d-k2.10.h5", path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps({**config, "class_name": "pkg>Mine"})
    out = tmp_path / "fixed.h5"
    done = subprocess.run(
        [sys.executable, "-m", "opcheck", "fix", str(path), "-t", "metal@1.2.0", "-o", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, out.exists()) == (2, False), done.stdout
    assert "a copy would keep nothing but the layers" in done.stderr


def _check(*words: str) -> tuple[int, dict[str, object], str]:
    done = subprocess.run(
        [sys.executable, "-m", "opcheck", "check", *OPTIONS, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.fixture
def own_layer(tmp_path: Path) -> str:
    """A layer of one's own, of which the file tells no shape, before a Dense of four units."""
    path = tmp_path / "own.h5"
    mine = {"class_name": "Mine", "config": {"name": "mine"}}
    last = {"class_name": "Dense", "config": {"name": "last", "units": 4}}
    stored(path, mine, last).close()
    return str(path)


def test_an_assumed_shape(own_layer: str) -> None:
    """The rest of the model is analysed with it, and the verdict stays open."""
    code, report, _ = _check(own_layer, "--assume-shape", "mine=?,6,5:float32")
    assert code == 2
    (result,) = report["results"]  # type: ignore[misc]
    assert result["summary"]["unknown"]
    products = [op["cost"]["flops"] for op in result["ops"] if op["op"] == "MatMul"]
    assert products == [2 * (2 * 6) * 5 * 4]  # of the Dense, on (2, 6, 5)


def test_a_shape_of_no_stand_in(own_layer: str) -> None:
    code, _, told = _check(own_layer, "--assume-shape", "last=?,6")
    assert code == 3
    assert "--assume-shape last: no stand-in takes the place of such a layer" in told
    assert "Those that one does: mine." in told
