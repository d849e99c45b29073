"""Every kernel that the emulated device adds, created and run once, on what kernel_inputs.py says.

Outputs have the dtypes and shapes of the op's shape function; numbers equal the CPU's, or are all
zero and marked so where the CPU has no kernel for it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opcheck.confine import environment

from .conftest import TENSORFLOW
from .test_emulator import TARGET

pytestmark = pytest.mark.skipif(
    TENSORFLOW not in ((2, 10), (2, 18)), reason="the targets' own TensorFlow is another"
)

WORKER = Path(__file__).with_name("kernel_worker.py")
UNDRIVEN = json.loads(Path(__file__).with_name("kernels_undriven.json").read_text())
_MARK = re.compile(r"opcheck-emulator: zeros for (\S+) \(")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the worker has answered for every kernel, also for those that it crashed on."""
    folder = tmp_path_factory.mktemp("kernels")
    # Without oneDNN, which on the CPU alone rewrites the graph, numbers are equal to the last bit.
    settings = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    with (folder / "log").open("ab") as log, (folder / "results.jsonl").open("a") as results:
        while True:
            done = subprocess.run(
                [sys.executable, str(WORKER), TARGET, str(folder)],
                env=environment(os.environ, whole=True) | settings,
                stdout=log,
                stderr=log,
                check=False,
            )
            if done.returncode == 0:
                return folder
            running = folder / "running"
            assert running.exists(), (folder / "log").read_text()[-3000:]
            crash = f"the process ended with status {done.returncode}"
            print(json.dumps({"line": running.read_text(), "wrong": crash}), file=results)
            results.flush()
            running.unlink()


@pytest.fixture(scope="module")
def answers(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_every_kernel_runs(answers: list[dict[str, Any]]) -> None:
    """kernels_undriven.json lists those that no graph can reach, and why; nothing else is there."""
    wrong = {_name(answer): answer["wrong"] for answer in answers if answer["wrong"] is not None}
    known = UNDRIVEN.get(TARGET, {})
    assert {name: said for name, said in wrong.items() if known.get(name, "\n") not in said} == {}
    assert known.keys() - wrong.keys() == set()
    assert len(answers) > 600


def test_what_gives_zeros_is_marked_so(folder: Path, answers: list[dict[str, Any]]) -> None:
    marked = set(_MARK.findall((folder / "log").read_text()))
    assert marked == {name for answer in answers for name in answer.get("zeros", ())}
    assert marked


def _name(answer: dict[str, Any]) -> str:
    """``ArgMax T=float;Tidx=int32``: what tells an op's registrations apart."""
    op, _, _, _, constraints, _ = answer["line"].split(" ")
    return f"{op} {constraints}"
