"""The report as JSON: the artifact itself."""

from __future__ import annotations

import json

import msgspec

from opcheck.formats.style import Style


def render(document: msgspec.Struct, style: Style) -> str:  # noqa: ARG001 - JSON has no style
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    return _visible(text) + "\n"


def _visible(text: str) -> str:
    """Marks that a terminal obeys and nobody sees, all of them inside strings, as escapes."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text
    )
