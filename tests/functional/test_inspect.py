"""Every fixture through ``opcheck inspect``, which runs nothing and imports no TensorFlow."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from installed_command import EXPECTED, FIXTURES, OPCHECK, ROOT, Ran, Runner, run

WEIGHTS = sorted(name for name in EXPECTED if "_weights-" in name or "-checkpoint" in name)
MODELS = sorted(set(EXPECTED) - set(WEIGHTS))
HEAVY = ("tensorflow", "keras", "tf_keras", "networkx", "rich", "numpy.testing", "opcheck.extract")


@pytest.mark.parametrize("name", MODELS)
def test_a_model(name: str, inspections: dict[str, Ran], validate: Callable[..., None]) -> None:
    ran = inspections[name]
    assert (ran.code, ran.err) == (0, "")
    document = ran.json()
    assert document["schema_version"] == "1.0"
    validate(document["tool"], "Tool")
    validate(document["model"], "Model")
    assert document["model"]["path"] == str(FIXTURES / name)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_no_model(name: str, inspections: dict[str, Ran]) -> None:
    ran = inspections[name]
    assert (ran.code, ran.out) == (2, "")
    assert_one_clear_line(ran)
    assert name in ran.err
    assert "holds only weights" in ran.err


def test_what_is_no_model(opcheck: Runner, tmp_path: Path) -> None:
    (tmp_path / "empty.h5").touch()
    (tmp_path / "text.keras").write_text("hello")
    (tmp_path / "folder").mkdir()
    (tmp_path / "lies.keras").write_bytes((FIXTURES / "mnist_cnn_weights-k2.10.h5").read_bytes())
    for name in ("empty.h5", "text.keras", "folder", "lies.keras", "missing.h5"):
        ran = opcheck("inspect", name)
        assert (ran.code, ran.out) == (2, ""), name
        assert_one_clear_line(ran)
        assert name in ran.err


def test_a_wrong_extension(opcheck: Runner, tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes((FIXTURES / "mnist_cnn-k3.15.keras").read_bytes())
    ran = opcheck("inspect", "model.h5", "--format", "json")
    assert (ran.code, ran.out) == (2, "")
    assert_one_clear_line(ran)
    assert "is a .keras archive" in ran.err


def test_text(opcheck: Runner) -> None:
    ran = opcheck("inspect", FIXTURES / "transformer_block-k3.15.keras")
    assert (ran.code, ran.err) == (0, "")
    assert re.search(r"MultiHeadAttention +keras\S* +builtin", ran.out)


@pytest.mark.parametrize("name", ["mobilenet_v2-k2.10.h5", "mobilenet_v2-k3.15.keras"])
def test_it_stays_light(name: str) -> None:
    ran = run([sys.executable, "-X", "importtime", str(OPCHECK), "inspect", f"fixtures/{name}"])
    assert ran.code == 0
    assert imported(ran) & set(HEAVY) == set()


def test_importing_opcheck_stays_light() -> None:
    ran = run([sys.executable, "-X", "importtime", "-c", "import opcheck"], ROOT)
    assert ran.code == 0
    assert imported(ran) & {*HEAVY, "h5py", "msgspec", "tabulate"} == set()


def imported(ran: Ran) -> set[str]:
    """The modules in the output of ``-X importtime``."""
    return {
        line.rpartition("|")[2].strip() for line in ran.err.splitlines() if "import time" in line
    }


def assert_one_clear_line(ran: Ran) -> None:
    assert ran.err.startswith("opcheck: ")
    assert ran.err.count("\n") == 1
    assert ran.err.endswith(".\n")
