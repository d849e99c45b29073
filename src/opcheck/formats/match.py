"""The lines that come first where a target is not the one that was asked for."""

from __future__ import annotations

from collections.abc import Iterable

from opcheck.formats.escape import printable
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph
from opcheck.report import Result


def match_lines(results: Iterable[Result]) -> list[str]:
    """The line of each result that needs one, each once."""
    inexact = (result for result in results if result.match != "exact")
    return list(dict.fromkeys(match_line(r.match, r.match_reason) for r in inexact))


def match_line(match: str, reason: str) -> str:
    """``match: nearest. opcheck has no kernel registry for metal@9.9. This is metal@1.2.0.``"""
    return f"match: {match}. {reason}"


def painted(lines: Iterable[str], style: Style) -> list[str]:
    """Them as text on a terminal."""
    return [
        style.paint(part, "yellow")
        for line in lines
        for part in paragraph(printable(line), width=style.width, rest="  ")
    ]
