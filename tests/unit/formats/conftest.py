"""Snapshots: what each format makes of the canonical reports (see ../conftest.py).

Write them again with ``UPDATE_SNAPSHOTS=1 pytest tests/unit/formats``, and read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "snapshots"


@pytest.fixture
def matches_snapshot() -> Callable[[str, str], None]:
    """Called with a text and a file name; fails when the file holds another text."""

    def compare(text: str, name: str) -> None:
        path = FOLDER / name
        if os.environ.get("UPDATE_SNAPSHOTS"):
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8")

    return compare
