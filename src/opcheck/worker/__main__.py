"""The process that holds TensorFlow: ``python -m opcheck.worker FOLDER``.

FOLDER is private to one request. It holds ``request.json`` (a ``Request``), ``limits.json``
(Limits), ``tmp`` and ``log`` (where file descriptors 1 and 2 go); the worker writes ``progress`` (a
line a stage) and, last and at once, ``reply.json`` (a ``Reply``) or ``failure.json``
(WorkerFailure).
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from opcheck.confine import Limits
from opcheck.errors import OpcheckError
from opcheck.targets.recorded import Recorded
from opcheck.worker.protocol import (
    CaptureRequest,
    FixReply,
    FixRequest,
    WorkerFailure,
    WorkerReply,
    WorkerRequest,
)

Request = WorkerRequest | CaptureRequest | FixRequest
Reply = WorkerReply | Recorded | FixReply


def start() -> int:
    """What the process does: bind itself, then answer."""
    folder = Path(sys.argv[1])
    msgspec.json.decode((folder / "limits.json").read_bytes(), type=Limits).apply()
    return main(folder)


def main(folder: Path) -> int:
    request: Request = msgspec.json.decode((folder / "request.json").read_bytes(), type=Request)
    try:
        reply = _answer(request, folder)
    except OpcheckError as error:
        failure = WorkerFailure(error.slug, error.message, error.hint)
        _write(folder / "failure.json", msgspec.json.encode(failure))
        return 1
    _write(folder / "reply.json", msgspec.json.encode(reply))
    return 0


def _answer(request: Request, folder: Path) -> Reply:
    if isinstance(request, CaptureRequest):
        from opcheck.worker.capture import capture

        return capture(folder)
    checked = request.check if isinstance(request, FixRequest) else request
    sys.path += (place for place in checked.search_path if place not in sys.path)
    from opcheck.worker.session import check, fix

    if isinstance(request, FixRequest):
        return fix(request, folder)

    return check(request, folder)


def _write(path: Path, data: bytes) -> None:
    """All or nothing: the parent never sees half a reply."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(start())
