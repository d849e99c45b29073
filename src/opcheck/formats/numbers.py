"""Numbers in words that do not mislead."""

from __future__ import annotations


def percent(part: int, whole: int) -> str:
    """``98.5 %``. Never ``0 %`` or ``100 %`` unless it is exactly that."""
    if whole == 0:
        return "-"
    if part in (0, whole):
        return f"{100 * part // whole} %"
    return f"{min(max(100 * part / whole, 0.1), 99.9):.1f} %"


def amount(number: int, unit: str) -> str:
    """``458 kFLOP``, ``1.2 MB``: three digits and a decimal prefix."""
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            return f"{_three(number / 10**power)} {prefix}{unit}"
    return f"{number} {unit}"


def _three(number: float) -> str:
    return f"{number:.0f}" if number >= 99.5 else f"{number:.3g}"


def count(number: int, noun: str) -> str:
    """``1 op``, ``12 ops``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def times(number: str) -> str:
    """A number behind a multiplication sign."""
    return f"\u00d7{number}"
