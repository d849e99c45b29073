"""Files of opcheck's own that others may have written: reports, baselines, registries, settings."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

MOST_BYTES = 256 * 2**20

Document = TypeVar("Document")


def content(path: Path) -> bytes:
    """All of a file or of a pipe (``<(command)``). Raises OSError, also for a device, and for more
    than `MOST_BYTES`."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    with os.fdopen(descriptor, "rb") as file:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(kind):  # whoever wanted to write has opened it by now
            os.set_blocking(descriptor, True)
        elif not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is no file")
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES >> 20} MB")
    return data


def decoded(path: Path, kind: type[Document]) -> Document:
    """A JSON file as a ``kind``. Raises OSError, msgspec.DecodeError, UnicodeDecodeError."""
    data = content(path)
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None


_BINARY = getattr(os, "O_BINARY", 0)
