"""The process that holds TensorFlow: ``python -m opcheck.worker FOLDER``.

FOLDER is private to one check. It holds ``request.json`` (WorkerRequest) and ``log`` (where file
descriptors 1 and 2 go); the worker writes ``progress`` (a line a stage) and, last and at once,
``reply.json`` (WorkerReply) or ``failure.json`` (WorkerFailure).
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from opcheck.errors import OpcheckError
from opcheck.worker.protocol import WorkerFailure, WorkerRequest


def main(folder: Path) -> int:
    request = msgspec.json.decode((folder / "request.json").read_bytes(), type=WorkerRequest)
    try:
        from opcheck.worker.session import check

        reply = check(request, folder)
    except OpcheckError as error:
        failure = WorkerFailure(error.slug, error.message, error.hint)
        _write(folder / "failure.json", msgspec.json.encode(failure))
        return 1
    _write(folder / "reply.json", msgspec.json.encode(reply))
    return 0


def _write(path: Path, data: bytes) -> None:
    """All or nothing: the parent never sees half a reply."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
