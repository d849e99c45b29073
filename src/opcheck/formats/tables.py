"""Tables and paragraphs for the terminal, within a width."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence

from tabulate import tabulate

_GAP = 2  # columns that tabulate's "simple" style puts between two columns,
_BESIDE_HEADER = 2  # and that it leaves beside a header
_NARROWEST = 16
_UNBROKEN = "\xa0"
_UNIT = re.compile(r"(?<=\d) (?=[%kMGT]|FLOP|B\b)")


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int,
    wrap: Mapping[str, int],
) -> list[str]:
    """The lines of a table; the columns in ``wrap`` share, by weight, what the others leave."""
    widest = [
        max(len(header) + _BESIDE_HEADER, *(len(ln) for row in rows for ln in row[i].split("\n")))
        for i, header in enumerate(headers)
    ]
    wrapped = [i for i, header in enumerate(headers) if header in wrap]
    fixed = sum(size for i, size in enumerate(widest) if i not in wrapped)
    room = width - fixed - _GAP * (len(headers) - 1)
    limits: dict[int, int] = {}
    weight = sum(wrap.values())
    for i in wrapped:
        share = room * wrap[headers[i]] // weight
        limits[i] = min(widest[i], max(_NARROWEST, share))
        room -= limits[i]
        weight -= wrap[headers[i]]
    cells = [
        [folded(cell, limits[i]) if i in limits else cell for i, cell in enumerate(row)]
        for row in rows
    ]
    text = tabulate(cells, headers, tablefmt="simple", disable_numparse=True)
    return [line.rstrip() for line in text.splitlines()]


def folded(text: str, limit: int) -> str:
    """``text`` in lines of at most ``limit``, broken after spaces and slashes where it can be."""
    lines = [""]
    for piece in re.findall(r"[^\s/]*[\s/]?", text):
        if len(lines[-1] + piece.rstrip()) > limit and lines[-1]:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > limit:
            lines[-1:] = [lines[-1][:limit], lines[-1][limit:]]
    return "\n".join(line.rstrip() for line in lines)


def paragraph(text: str, *, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """Wrapped text; ``first`` starts the first line, ``rest`` (or as many spaces) the others.

    A number stays with its unit.
    """
    lines = textwrap.wrap(
        _UNIT.sub(_UNBROKEN, text),
        width=max(width, _NARROWEST + len(first)),
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [line.replace(_UNBROKEN, " ") for line in lines]


def shortened(names: Sequence[str], limit: int) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(names[:limit])
    more = len(names) - limit
    return f"{shown} and {more} more" if more > 0 else shown
