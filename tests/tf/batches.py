"""Many worker requests to few processes of TensorFlow, and what they answer."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from opcheck.confine import environment
from opcheck.errors import OpcheckError
from opcheck.placement import ReconcileResult
from opcheck.worker.answer import answer
from opcheck.worker.protocol import TracedStep, WorkerReply

HERE = Path(__file__).parent
TIMEOUT = 3600.0  # seconds for a request, on a machine that does other things as well
MEMORY = 12 << 30  # bytes for the process
_POLL = 0.2  # seconds
_ANSWERS = ("reply.json", "failure.json", "crash")


def answered(folder: Path) -> bool:
    return any((folder / name).exists() for name in _ANSWERS)


def serve(folders: Sequence[Path], *, sharing: int) -> Iterator[WorkerReply | str]:
    """The answer to the request.json in each folder as soon as it is there, or why there is none.

    A process serves ``sharing`` requests: TensorFlow does not give back all that they take. After
    these, after a crash or when a request takes too long, another one goes on.
    """
    waiting = list(folders)
    while waiting:
        served = waiting[:sharing]
        process = _start(served)
        started = time.monotonic()
        try:
            while waiting and waiting[0] in served:
                ended = process.poll()
                if answered(waiting[0]):
                    yield read(waiting.pop(0))
                    started = time.monotonic()
                elif ended is not None:
                    waiting.pop(0)
                    yield f"TensorFlow's process ended with status {ended}"
                    break
                elif time.monotonic() - started > TIMEOUT:
                    waiting.pop(0)
                    yield "took too long"
                    break
                else:
                    time.sleep(_POLL)
        finally:
            process.kill()
            process.wait()


def read(folder: Path) -> WorkerReply | str:
    """An answer that is there."""
    try:
        return answer(folder, 0, WorkerReply)
    except OpcheckError as error:
        crash = folder / "crash"
        return crash.read_text().splitlines()[-1] if crash.exists() else error.message


def unlike(compared: ReconcileResult, step: TracedStep) -> list[str]:
    """What TensorFlow did that was not predicted. A step that stopped has not placed all."""
    found = [
        f"{d.predicted.op_id} predicted {d.predicted.verdict} ({d.predicted.reason.message}), "
        f"is {d.traced.verdict} ({d.traced.reason.message})"
        for d in compared.disagreements
    ]
    if step.error is None:
        found += [f"{name} was not placed" for name in compared.only_in_graph]
    return found + [f"{name} is not in the graph" for name in compared.only_in_trace]


def _start(folders: Sequence[Path]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    with (folders[0].parent / "output").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, str(HERE / "batch_worker.py"), *map(str, folders)],
            env=environment(os.environ, whole=True) | {"PYTHONPATH": path},
            stdout=output,
            stderr=output,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
        )
