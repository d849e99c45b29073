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
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
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


def test_every_rewrite_is_right_where_it_helps(results: dict[str, Any]) -> None:
    target = resolve(TARGET)
    helpful = {rewrite.name for rewrite in REWRITES if rewrite.helps(target)} | {"float32"}
    proven = set()
    for case, result in results.items():
        name = case.partition(" ")[0]
        if name not in helpful or "error" in result:
            continue
        assert name in " ".join(result["rewrites"]), case
        assert result["left"] == [], case
        assert result["relative"] < 1e-4, case
        assert result["before"], case
        assert result["after"] == [], case
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


def test_what_needs_nothing_is_refused(results: dict[str, Any]) -> None:
    result = results["nothing to do"]
    assert result["before"] == []
    assert result["error"].startswith("cannot-fix: ")
    assert "knows no rewrite" in result["error"]
