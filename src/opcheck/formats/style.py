"""How a format may look: the width it has and whether it may use colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Colour = Literal["red", "yellow", "green", "bold", "dim"]

_CODES: dict[Colour, str] = {
    "red": "31",
    "yellow": "33",
    "green": "32",
    "bold": "1",
    "dim": "2",
}


@dataclass(frozen=True)
class Style:
    """``width`` is in columns."""

    width: int = 100
    colour: bool = False

    def paint(self, text: str, colour: Colour) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.colour else text
