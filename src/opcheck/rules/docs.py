"""The rule pages, generated from the rules' docstrings.

python -m opcheck.rules.docs [FOLDER]     writes docs/rules/*.md again
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from opcheck.rules import RULES, Rule

FOLDER = Path(__file__).parents[3] / "docs" / "rules"


def text(rule: Rule) -> str:
    """A rule's documentation; the first line is its title."""
    return inspect.getdoc(rule) or ""


def pages() -> dict[str, str]:
    """File name -> Markdown."""
    index = ["# Rules", "", "`opcheck explain CODE` prints the same pages.", ""]
    found: dict[str, str] = {}
    for rule in RULES:
        title, _, body = text(rule).partition("\n")
        index.append(f"- [{rule.code}]({rule.code}.md): {title}")
        found[f"{rule.code}.md"] = f"# {rule.code}: {title.rstrip('.')}\n{body}\n"
    return {"index.md": "\n".join(index) + "\n", **found}


def _write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages().items():
        (folder / name).write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    _write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
