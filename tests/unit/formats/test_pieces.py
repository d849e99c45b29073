"""Numbers, escapes, tables."""

from __future__ import annotations

import pytest

from opcheck.formats.escape import printable
from opcheck.formats.numbers import count, percent
from opcheck.formats.tables import folded, paragraph, shortened, table


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (1, 100_000, "0.1 %"),
        (99_999, 100_000, "99.9 %"),
        (1, 3, "33.3 %"),
        (0, 0, "-"),
    ],
)
def test_percent_never_rounds_to_an_end(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


def test_count() -> None:
    assert [count(n, "op") for n in (0, 1, 2)] == ["0 ops", "1 op", "2 ops"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dense/kernel", "dense/kernel"),
        ("größe", "größe"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
    ],
)
def test_printable(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_folded_breaks_at_slashes_and_spaces() -> None:
    assert folded("encoder/layer_0/attention", 16) == "encoder/layer_0/\nattention"
    assert folded("one two three", 8) == "one two\nthree"
    assert folded("abcdefgh", 3) == "abc\ndef\ngh"
    assert folded("", 5) == ""


def test_table_gives_room_to_the_wrapped_columns() -> None:
    lines = table(("a", "b"), [("x" * 10, "word " * 20)], width=60, wrap={"b": 1})
    assert max(map(len, lines)) <= 60
    assert len(lines) > 3


def test_paragraph_indents_what_follows() -> None:
    assert paragraph("word " * 10, width=30, first="! ")[1].startswith("  word")


def test_shortened() -> None:
    assert shortened(("a", "b", "c"), 2) == "a, b and 1 more"
    assert shortened(("a", "b"), 2) == "a, b"
