"""Snapshots: what each format makes of the canonical reports (see ../conftest.py).

Write them again with ``UPDATE_SNAPSHOTS=1 pytest tests/unit/formats``, and read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from opcheck.formats import html

FOLDER = Path(__file__).parents[2] / "snapshots"


@pytest.fixture(autouse=True)
def page_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page without its style and scripts: npm's are not there in a checkout that was not built.

    What they do is tested in a browser (tests/browser).
    """
    template = html._own("page.html")
    monkeypatch.setattr(html, "_own", lambda name: template if name == "page.html" else name)
    monkeypatch.setattr(html, "asset", lambda name: name)


@pytest.fixture
def matches_snapshot() -> Callable[[str, str], None]:
    """Called with a text and a file name; fails when the file holds another text."""

    def compare(text: str, name: str) -> None:
        path = FOLDER / name
        if os.environ.get("UPDATE_SNAPSHOTS"):
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8")

    return compare
