"""Progress on standard error, and only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def shown() -> Iterator[Callable[[str], None]]:
    """Gives a function to call with the name of each stage."""
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console  # only a terminal pays for it

    with Console(stderr=True).status("starting") as status:
        yield lambda stage: status.update(stage)


def _silent(stage: str) -> None:
    """Nobody is watching."""
