"""Progress on standard error, and only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opcheck.formats.escape import printable


@contextmanager
def shown() -> Iterator[Callable[[str], None]]:
    """Gives a function to call with the name of each stage."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console  # only a terminal pays for it
    from rich.text import Text

    with Console(stderr=True).status("starting") as status:
        # Text, not markup: a file may be called anything, and the worker is no friend.
        yield lambda stage: status.update(Text(printable(stage)))


def _silent(stage: str) -> None:
    """Nobody is watching."""
