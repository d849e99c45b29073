"""Tables and paragraphs for the terminal, within a width."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tabulate import tabulate

_GAP = 2  # columns that tabulate's "simple" style puts between two columns
_NARROWEST = 24


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int,
    wrap: Sequence[str],
) -> list[str]:
    """The lines of a table; the columns named in ``wrap`` share what the others leave."""
    widest = [max(len(header), *(len(row[i]) for row in rows)) for i, header in enumerate(headers)]
    wrapped = [i for i, header in enumerate(headers) if header in wrap]
    fixed = sum(size for i, size in enumerate(widest) if i not in wrapped)
    room = width - fixed - _GAP * (len(headers) - 1)
    limits: list[int | None] = [None] * len(headers)
    for left, i in zip(range(len(wrapped), 0, -1), wrapped, strict=True):
        limits[i] = min(widest[i], max(_NARROWEST, room // left))
        room -= limits[i] or 0
    text = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, maxcolwidths=limits)
    return [line.rstrip() for line in text.splitlines()]


def paragraph(text: str, *, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """Wrapped text; ``first`` starts the first line, ``rest`` (or as many spaces) the others."""
    return textwrap.wrap(
        text,
        width=max(width, _NARROWEST + len(first)),
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


def shortened(names: Sequence[str], limit: int) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(names[:limit])
    more = len(names) - limit
    return f"{shown} and {more} more" if more > 0 else shown
