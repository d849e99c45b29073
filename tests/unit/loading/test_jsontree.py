"""JSON of nobody knows where."""

from __future__ import annotations

import pytest

from opcheck.errors import UnreadableModelError
from opcheck.loading.jsontree import parse_object


@pytest.mark.parametrize(
    "text", [r'{"name": "\ud800"}', r'{"\uDFFFx": [1]}', rb'{"list": [{"a": "\ud83d"}]}']
)
def test_half_a_character_is_refused(text: str | bytes) -> None:
    with pytest.raises(UnreadableModelError, match="The config holds text that is not Unicode"):
        parse_object(text, "The config")


def test_whole_characters_are_not() -> None:
    assert parse_object(r'{"a": "\ud83d\ude00 \\ud800"}', "It") == {"a": "\U0001f600 \\ud800"}
