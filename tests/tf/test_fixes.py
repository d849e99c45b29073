"""Every rewrite gives the same numbers, and what it replaces no longer leaves the accelerator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opcheck.confine import environment
from opcheck.fixes import REWRITES
from opcheck.targets import resolve

from .conftest import KERAS, TENSORFLOW

TARGET = "directml@0.4.0" if TENSORFLOW == (2, 10) else "metal@1.2.0"
WORKER = Path(__file__).with_name("fix_worker.py")


@pytest.fixture(scope="session")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("fixes")
    done = subprocess.run(
        [sys.executable, str(WORKER), TARGET, str(folder)],
        env=environment(os.environ) | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def results(answer: dict[str, Any]) -> dict[str, Any]:
    return answer["cases"]  # type: ignore[no-any-return]


def test_every_rewrite_is_right_where_it_helps(results: dict[str, Any]) -> None:
    target = resolve(TARGET)
    helpful = {rewrite.name for rewrite in REWRITES if rewrite.helps(target)} | {"float32"}
    proven = set()
    for case, result in results.items():
        name = case.partition(" ")[0]
        if name not in helpful - _ABSENT:
            continue
        assert "error" not in result, (case, result["error"])
        assert name in " ".join(result["rewrites"]), case
        assert result["left"] == [], case
        assert result["relative"] < 1e-4, case
        assert result["before"], case
        assert result["after"] == [], case
        before, after = result["training"]
        assert after == pytest.approx(before), case
        proven.add(name)
    assert proven == helpful - _ABSENT


_ABSENT = (
    set()
    if KERAS[0] == 3
    else {
        "celu-by-primitives",
        "mish-by-primitives",
        "log_sigmoid-by-primitives",
        "nearest-resize-by-repetition",
        "time-distributed-dense",
    }
)
"""Not in this Keras, or not needed with it."""


@pytest.mark.skipif(TENSORFLOW == (2, 10), reason="DirectML has Conv3D")
@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("a constraint on a shape", "its kernel_constraint MaxNorm may depend on the weight's"),
        ("a regularizer of the output", "its activity_regularizer would see another output"),
        ("a step of its own", "of the class FunctionalOwnStep: a copy would keep nothing"),
    ],
)
def test_what_would_be_trained_otherwise_is_refused(
    case: str, why: str, results: dict[str, Any]
) -> None:
    assert why in results[case]["error"]


def test_training_is_compared_where_outputs_do_not_tell(answer: dict[str, Any]) -> None:
    tied, frozen, regularized = answer["unproven"]
    assert "40 numbers in its weights, not 20" in tied
    assert "0 numbers in its trainable_weights, not 20" in frozen
    assert "to the loss, not 0" in regularized


def test_what_needs_nothing_is_refused(results: dict[str, Any]) -> None:
    result = results["nothing to do"]
    assert result["before"] == []
    assert result["error"].startswith("cannot-fix: ")
    assert "knows no rewrite" in result["error"]
