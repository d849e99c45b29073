"""The parent's side: starts the TensorFlow process, watches it, reads its answer.

Whatever TensorFlow does (crash, hang, run out of memory, print), the parent stays as it is: the
answer comes through a file of known type, everything printed goes to a log.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from opcheck import errors
from opcheck.errors import OpcheckError, WorkerError, WorkerTimeoutError
from opcheck.targets.recorded import Recorded
from opcheck.worker.protocol import CaptureRequest, WorkerFailure, WorkerReply, WorkerRequest

_POLL = 0.05  # seconds
_MOST = 4  # processes side by side; each holds a TensorFlow and the model
_TAIL = 2000  # bytes of log searched for a last word
_REPLY_LIMIT = 1 << 30  # bytes

Request = WorkerRequest | CaptureRequest
Reply = TypeVar("Reply", WorkerReply, Recorded)


def run(
    request: WorkerRequest,
    *,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
) -> WorkerReply:
    """`run_all` of one request; raises what that gives in place of a reply."""
    (outcome,) = run_all((request,), timeout=timeout, progress=progress)
    if isinstance(outcome, OpcheckError):
        raise outcome
    return outcome


def run_all(
    requests: Sequence[WorkerRequest],
    *,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
) -> list[WorkerReply | OpcheckError]:
    """Run each request in a process of its own, side by side as far as there are processors.

    ``timeout`` is in seconds of wall-clock time, for each. ``progress`` is called with each stage's
    name. The answers come in the requests' order: a reply, or

        WorkerError: it crashed, ran out of time or memory, or its answer is no answer.
        OpcheckError: whatever the worker itself reported (see ``opcheck.errors``).
    """
    return _ask(requests, WorkerReply, timeout, progress)


def capture(*, timeout: float, progress: Callable[[str], None] = lambda _: None) -> Recorded:
    """The registry of the TensorFlow and the plugin that are installed here.

    Raises:
        CaptureError: no plugin, or it cannot be loaded.
        OpcheckError: as `run_all` gives.
    """
    (outcome,) = _ask((CaptureRequest(),), Recorded, timeout, progress)
    if isinstance(outcome, OpcheckError):
        raise outcome
    return outcome


def _ask(
    requests: Sequence[Request],
    reply_type: type[Reply],
    timeout: float,
    progress: Callable[[str], None],
) -> list[Reply | OpcheckError]:
    beside = min(os.cpu_count() or 1, _MOST)
    answers: list[Reply | OpcheckError] = []
    for first in range(0, len(requests), beside):
        with contextlib.ExitStack() as stack:
            jobs = [
                stack.enter_context(_started(r, reply_type))
                for r in requests[first : first + beside]
            ]
            answers += _watch(jobs, timeout, progress)
    return answers


@dataclass
class _Job(Generic[Reply]):
    """A worker that runs, and its answer as soon as there is one."""

    request: Request
    reply_type: type[Reply]
    folder: Path
    process: subprocess.Popen[bytes]
    shown: int = 0
    answer: Reply | OpcheckError | None = None

    @property
    def name(self) -> str:
        """``metal@1.2.0`` for the worker that emulates it."""
        emulated = self.request.emulate if isinstance(self.request, WorkerRequest) else None
        return (emulated or "CPU").partition(",")[0]


@contextlib.contextmanager
def _started(request: Request, reply_type: type[Reply]) -> Iterator[_Job[Reply]]:
    """Neither the process nor its folder outlives the check, however it ends."""
    with tempfile.TemporaryDirectory(prefix="opcheck-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "request.json").write_bytes(msgspec.json.encode(request))
        process = _start(folder)
        try:
            yield _Job(request, reply_type, folder, process)
        finally:
            _end(process)


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


def _watch(
    jobs: list[_Job[Reply]], timeout: float, progress: Callable[[str], None]
) -> list[Reply | OpcheckError]:
    deadline = time.monotonic() + timeout
    while any(job.answer is None for job in jobs):
        for job in (job for job in jobs if job.answer is None):
            stages = _stages(job.folder)
            for stage in stages[job.shown :]:
                progress(f"{job.name}: {stage}" if len(jobs) > 1 else stage)
            job.shown = len(stages)
            code = job.process.poll()
            if code is not None:
                try:
                    job.answer = _answer(job.folder, code, job.reply_type)
                except OpcheckError as error:
                    job.answer = error
            elif time.monotonic() > deadline:
                job.answer = _overdue(timeout, stages)
                _end(job.process)
        time.sleep(_POLL)
    return [job.answer for job in jobs if job.answer is not None]


def _overdue(timeout: float, stages: list[str]) -> WorkerTimeoutError:
    return WorkerTimeoutError(
        f"TensorFlow did not finish within {timeout:g} s "
        f"(it was {stages[-1] if stages else 'starting'}).",
        hint="Give it longer with --timeout SECONDS.",
    )


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


def _answer(folder: Path, code: int, reply_type: type[Reply]) -> Reply:
    reply, failure = folder / "reply.json", folder / "failure.json"
    try:
        if failure.exists():
            raise _reported(msgspec.json.decode(failure.read_bytes(), type=WorkerFailure))
        if reply.exists() and reply.stat().st_size <= _REPLY_LIMIT:
            return msgspec.json.decode(reply.read_bytes(), type=reply_type)
    except msgspec.DecodeError as error:
        raise WorkerError(f"The TensorFlow process sent an unreadable answer: {error}.") from error
    raise WorkerError(_obituary(folder, code), hint="opcheck doctor shows what is installed.")


def _reported(failure: WorkerFailure) -> OpcheckError:
    kinds = {
        kind.slug: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, OpcheckError)
    }
    return kinds.get(failure.slug, WorkerError)(failure.message, hint=failure.hint)


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
