"""The one place that writes reports to files or standard output."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from opcheck.errors import UsageError
from opcheck.interrupts import uninterrupted

STDOUT = "-"


def check_writable(destination: str) -> None:
    """Fail before any work is done rather than after it. Raises UsageError."""
    if destination == STDOUT:
        with _standard_output():
            return
    path = Path(destination)
    try:
        folder = _behind_links(path).parent
        if path.is_dir():
            raise UsageError(f"{destination} is a folder; -o takes a file.")
        if not folder.is_dir():
            raise UsageError(f"{destination} cannot be written: there is no folder {folder}.")
        touched = [] if is_device(path) else [folder]
        touched += [path] if path.exists() else []
    except OSError as error:
        raise _unwritable(destination, error) from error
    if not all(os.access(place, os.W_OK) for place in touched):
        raise UsageError(f"{destination} cannot be written: permission denied.")


def is_device(path: Path) -> bool:
    """A device or a pipe: it takes what is written, and nothing is renamed over it."""
    return path.exists() and not path.is_file()


def show(text: str) -> None:
    """To a person at standard output, in the encoding of the terminal. Raises UsageError."""
    with _standard_output() as stream:
        stream.write(text)


def write(text: str, destination: str) -> None:
    """Write a whole document as UTF-8, or nothing: to a file beside the destination, then renamed.

    Raises UsageError.
    """
    if destination == STDOUT:
        with _standard_output() as stream:
            if hasattr(stream, "buffer"):
                stream.buffer.write(text.encode("utf-8"))
            else:  # what took the place of standard output has no encoding
                stream.write(text)
        return
    path = Path(destination)
    try:
        if is_device(path):
            path.write_text(text, encoding="utf-8")
            return
        with uninterrupted():
            _replace(_behind_links(path), text)
    except OSError as error:
        raise _unwritable(destination, error) from error


def _behind_links(path: Path) -> Path:
    """What is replaced, so that a link to it stays one. Raises OSError."""
    return Path(os.path.realpath(path))


def _unwritable(destination: str, error: OSError) -> UsageError:
    return UsageError(f"{destination} cannot be written: {error.strerror}.")


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


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """A reader that went away (``opcheck ... | head``) is not an error. Raises UsageError."""
    if sys.stdout is None:
        raise UsageError("Standard output is closed.")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except OSError as error:
        # Python flushes standard output once more when it exits: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise UsageError(f"Standard output cannot be written: {error.strerror}.") from error
