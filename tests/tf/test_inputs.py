"""The inputs that a step runs on: as given, as found in a file, or chosen to be valid."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opcheck.confine import environment
from opcheck.errors import UsageError
from opcheck.worker.answer import answer
from opcheck.worker.protocol import WorkerReply

from .conftest import FIXTURES
from .test_emulator import ENDING

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answers to the requests of input_worker.py, which starts TensorFlow once."""
    path = tmp_path_factory.mktemp("inputs")
    done = subprocess.run(
        [sys.executable, str(HERE / "input_worker.py"), str(path)],
        cwd=HERE,
        env=environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return path


def reply(folder: Path, name: str) -> WorkerReply:
    crash = folder / name / "crash"
    assert not crash.exists(), crash.read_text()
    return answer(folder / name, 0, WorkerReply)


@pytest.mark.parametrize("name", ["file", "shape", "embedding", "strings", "saved"])
def test_the_step_runs(name: str, folder: Path) -> None:
    """The CPU raises for an index that is out of range, OnlySevens for other values."""
    for step in reply(folder, name).steps:
        assert (step.error, step.executed) == (None, True)
        assert step.batch_size == {"file": 4, "shape": 3}.get(name, 2)


def test_other_values_than_the_files_would_be_seen(folder: Path) -> None:
    for step in reply(folder, "no_file").steps:
        assert not step.executed
        assert step.error_op is not None
        assert "assert" in step.error_op


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("pickled", r"pickled\.npz cannot be read: .*allow_pickle", "without objects"),
        ("bomb", r"bomb\.npz holds 1025 MB of arrays; opcheck reads up to 1024 MB", "smaller"),
        ("liar", r"liar\.npz cannot be read: ", "Write it with numpy"),
        ("other_name", "The model has no input 'y'", "x ?,3:float32"),
        ("wrong_shape", r"Input 'tokens' of the model is \?,5:int32, not 3,6", None),
    ],
)
def test_what_does_not_fit_is_wrong_usage(
    name: str, message: str, hint: str | None, folder: Path
) -> None:
    with pytest.raises(UsageError, match=message) as error:
        reply(folder, name)
    assert hint is None or (error.value.hint and hint in error.value.hint)


def test_the_command_lists_the_real_inputs() -> None:
    model = str(FIXTURES / f"multi_input-{ENDING}")
    command = [sys.executable, "-m", "opcheck", "check", model, "-t", "metal@1.2.0"]
    done = subprocess.run(
        [*command, "--evidence", "predicted", "--input", "middle=2,16,16,1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "no input 'middle'" in done.stderr
    for name in ("left ?,16,16,1:float32", "right ?,16,16,1:float32", "extra ?,3:float32"):
        assert name in " ".join(done.stderr.split())
