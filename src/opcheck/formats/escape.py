"""Names from a model file are data of unknown origin: make them safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """Control characters, line breaks and invisible marks as escapes, everything else as it is."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
