"""The one place that writes reports to files or standard output."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from opcheck.errors import UsageError
from opcheck.interrupts import uninterrupted

STDOUT = "-"


def check_writable(destination: str) -> None:
    """Fail before any work is done rather than after it. Raises UsageError."""
    if destination == STDOUT:
        return
    path = Path(destination)
    if path.is_dir():
        raise UsageError(f"{destination} is a folder; -o takes a file.")
    if not path.parent.is_dir():
        raise UsageError(f"{destination} cannot be written: there is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"{destination} cannot be written: permission denied.")


def write(text: str, destination: str) -> None:
    """Write a whole report or nothing: to a file beside the destination, then renamed."""
    if destination == STDOUT:
        _to_stdout(text)
        return
    path = Path(destination).resolve()  # through a link, so that the link stays
    try:
        if path.exists() and not path.is_file():  # a device or a pipe: nothing to rename over
            path.write_text(text, encoding="utf-8")
            return
        with uninterrupted():
            _replace(path, text)
    except OSError as error:
        raise UsageError(f"{destination} cannot be written: {error.strerror}.") from error


def _replace(path: Path, text: str) -> None:
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        _like_a_new_file(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - a name in, a name out
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _like_a_new_file(path: str) -> None:
    """mkstemp makes files private; a report is readable by whom the umask says."""
    umask = os.umask(0)
    os.umask(umask)
    Path(path).chmod(0o666 & ~umask)


def _to_stdout(text: str) -> None:
    """A reader that went away (``opcheck ... | head``) is not an error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes standard output once more when it exits: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
