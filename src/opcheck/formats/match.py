"""The line that comes first where a target is not the one that was asked for."""

from __future__ import annotations


def match_line(match: str, reason: str) -> str:
    """``match: nearest. opcheck has no kernel registry for metal@9.9. This is metal@1.2.0.``"""
    return f"match: {match}. {reason}"
