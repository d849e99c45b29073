"""The parent's side: starts the TensorFlow process, watches it, reads its answer.

Whatever TensorFlow does (crash, hang, run out of memory, print), the parent stays as it is: the
answer comes through a file of known type, everything printed goes to a log.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import msgspec

from opcheck import confine
from opcheck.errors import OpcheckError, WorkerTimeoutError
from opcheck.interrupts import temporary_folder, uninterrupted
from opcheck.targets.recorded import Recorded
from opcheck.worker import answer
from opcheck.worker.answer import Reply
from opcheck.worker.protocol import (
    CaptureRequest,
    FixReply,
    FixRequest,
    WorkerReply,
    WorkerRequest,
)

_POLL = 0.05  # seconds
_MOST = 4  # processes side by side; each holds a TensorFlow and the model

Request = WorkerRequest | CaptureRequest | FixRequest


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


def fix(
    request: FixRequest, *, timeout: float, progress: Callable[[str], None] = lambda _: None
) -> FixReply:
    """Rewrite a model and save it; see `opcheck.worker.fix` for what it raises."""
    (outcome,) = _ask((request,), FixReply, timeout, progress)
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
                stack.enter_context(_started(r, reply_type, timeout))
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
def _started(request: Request, reply_type: type[Reply], timeout: float) -> Iterator[_Job[Reply]]:
    """Neither the process nor its folder outlives the check, however it ends."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_folder("opcheck-"))
        with uninterrupted():
            (folder / "tmp").mkdir()
            (folder / "request.json").write_bytes(msgspec.json.encode(request))
            (folder / "limits.json").write_bytes(msgspec.json.encode(_limits(request, timeout)))
            process = _start(folder, _is_own_program(request))
            stack.callback(uninterrupted()(_end), process)
        yield _Job(request, reply_type, folder, process)


def _is_own_program(request: Request) -> bool:
    """Nothing here comes from a file of unknown origin, and any variable may be needed.

    A function of the user's makes the model, and may download weights; or the plugin that is
    installed here is asked for its kernels.
    """
    if isinstance(request, CaptureRequest):
        return True
    return isinstance(request, WorkerRequest) and request.source.format == "factory"


def _limits(request: Request, timeout: float) -> confine.Limits:
    checked = request.check if isinstance(request, FixRequest) else request
    given = checked.memory if isinstance(checked, WorkerRequest) else None
    memory = int(given * confine.GIB) if given else confine.default_memory()
    # A copy of a model is as large as the model, which is in memory when it is written.
    file = memory if isinstance(request, FixRequest) else confine.LARGEST_FILE
    own = _is_own_program(request)
    return confine.Limits(os.getpid(), memory, timeout, network=own, file=file)


def _start(folder: Path, whole_environment: bool) -> subprocess.Popen[bytes]:
    private = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder / "tmp"))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            _command(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=confine.environment(os.environ, whole=whole_environment) | private,
            start_new_session=True,  # so that Ctrl-C and the end reach its children too
        )


def _command(folder: Path) -> list[str]:
    return confine.command("opcheck.worker.__main__", str(folder))


def _watch(
    jobs: list[_Job[Reply]], timeout: float, progress: Callable[[str], None]
) -> list[Reply | OpcheckError]:
    deadline = time.monotonic() + timeout
    while any(job.answer is None for job in jobs):
        for job in (job for job in jobs if job.answer is None):
            stages = answer.stages(job.folder)
            for stage in stages[job.shown :]:
                progress(f"{job.name}: {stage}" if len(jobs) > 1 else stage)
            job.shown = len(stages)
            code = job.process.poll()
            if code is not None:
                try:
                    job.answer = answer.answer(job.folder, code, job.reply_type)
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


def _end(process: subprocess.Popen[bytes]) -> None:
    """No process of ours outlives the check, nor one that it has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()
    process.wait()
