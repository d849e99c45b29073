"""The report as JSON: the artifact itself."""

from __future__ import annotations

import msgspec

from opcheck.formats.style import Style


def render(document: msgspec.Struct, style: Style) -> str:  # noqa: ARG001 - JSON has no style
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
