"""The parent's side: starts the TensorFlow process, watches it, reads its answer.

Whatever TensorFlow does (crash, hang, run out of memory, print), the parent stays as it is: the
answer comes through a file of known type, everything printed goes to a log.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from opcheck import errors
from opcheck.errors import OpcheckError, WorkerError
from opcheck.worker.protocol import WorkerFailure, WorkerReply, WorkerRequest

_POLL = 0.05  # seconds
_TAIL = 2000  # bytes of log searched for a last word
_REPLY_LIMIT = 1 << 30  # bytes


def run(
    request: WorkerRequest,
    *,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
) -> WorkerReply:
    """Run one check in a process of its own.

    ``timeout`` is in seconds of wall-clock time. ``progress`` is called with each stage's name.

    Raises:
        WorkerError: it crashed, ran out of time or memory, or its answer is no answer.
        OpcheckError: whatever the worker itself reported (see ``opcheck.errors``).
    """
    with tempfile.TemporaryDirectory(prefix="opcheck-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "request.json").write_bytes(msgspec.json.encode(request))
        code = _wait(_start(folder), folder, timeout, progress)
        return _answer(folder, code)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            _command(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,  # so that Ctrl-C and the end reach its children too
        )


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "opcheck.worker", str(folder)]


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "0",  # the placement log is at level INFO
        "TF_CPP_MAX_VLOG_LEVEL": "0",
        "CUDA_VISIBLE_DEVICES": "-1",  # an NVIDIA GPU is none of our targets
        "KERAS_BACKEND": "tensorflow",
        "PYTHONIOENCODING": "utf-8",
    }


def _wait(
    process: subprocess.Popen[bytes],
    folder: Path,
    timeout: float,
    progress: Callable[[str], None],
) -> int:
    deadline = time.monotonic() + timeout
    shown = 0
    try:
        while (code := process.poll()) is None:
            stages = _stages(folder)
            for stage in stages[shown:]:
                progress(stage)
            shown = len(stages)
            if time.monotonic() > deadline:
                where = stages[-1] if stages else "starting"
                raise WorkerError(
                    f"TensorFlow did not finish within {timeout:g} s (it was {where}).",
                    hint="Give it longer with --timeout SECONDS.",
                )
            time.sleep(_POLL)
        return code
    finally:
        _end(process)


def _stages(folder: Path) -> list[str]:
    path = folder / "progress"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _end(process: subprocess.Popen[bytes]) -> None:
    """No process of ours outlives the check."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def _answer(folder: Path, code: int) -> WorkerReply:
    reply, failure = folder / "reply.json", folder / "failure.json"
    try:
        if failure.exists():
            _raise(msgspec.json.decode(failure.read_bytes(), type=WorkerFailure))
        if reply.exists() and reply.stat().st_size <= _REPLY_LIMIT:
            return msgspec.json.decode(reply.read_bytes(), type=WorkerReply)
    except msgspec.DecodeError as error:
        raise WorkerError(f"The TensorFlow process sent an unreadable answer: {error}.") from error
    raise WorkerError(_obituary(folder, code), hint="opcheck doctor shows what is installed.")


def _raise(failure: WorkerFailure) -> None:
    kinds = {
        kind.slug: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, OpcheckError)
    }
    raise kinds.get(failure.slug, WorkerError)(failure.message, hint=failure.hint)


def _obituary(folder: Path, code: int) -> str:
    last = _last_words(folder / "log")
    if code < 0:
        name = signal.Signals(-code).name
        if name == "SIGKILL":
            return "The TensorFlow process was killed (SIGKILL), most likely for lack of memory."
        return f"TensorFlow crashed with {name}{last}."
    return f"The TensorFlow process ended with status {code} and no answer{last}."


def _last_words(log: Path) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        lines = file.read().decode("utf-8", "replace").split("\n")
    words = [line.strip() for line in lines if line.strip()]
    return f"; its last line: {words[-1][:300]!r}" if words else ""
