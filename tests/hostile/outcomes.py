"""What opcheck must say of each file of the corpus: the table expected.tsv, and how to compare.

A cell holds the exit code, then the codes of all hazards in the report, or the slug of the error
that refuses the file.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opcheck import cli
from opcheck.errors import OpcheckError

TABLE = Path(__file__).with_name("expected.tsv")


@dataclass(frozen=True)
class Ran:
    """``cell`` is as in the table; ``out`` and ``err`` are what was printed."""

    cell: str
    out: str
    err: str


def expected() -> dict[str, dict[str, str]]:
    """File -> column -> cell; the columns are ``inspect`` and ``check`` beside each TensorFlow."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    head, *rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def run(command: Sequence[str]) -> Ran:
    """Run ``opcheck COMMAND -f json`` in this process."""
    slugs: list[str] = []
    complain = cli._complain

    def noting(lines: list[str], error: Exception | None = None) -> None:
        raised = sys.exc_info()[1]
        slugs.append(raised.slug if isinstance(raised, OpcheckError) else "mistake")
        complain(lines, error)

    out, err = io.StringIO(), io.StringIO()
    cli._complain = noting
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run([*command, "-f", "json"])
    finally:
        cli._complain = complain
    if out.getvalue():
        hazards = json.loads(out.getvalue())["model"]["hazards"]
        slugs += sorted({hazard["code"] for hazard in hazards})
    return Ran(" ".join([str(code), *slugs]), out.getvalue(), err.getvalue())


def printed_safely(text: str) -> bool:
    """Whether a terminal, or GitHub's runner, would take it as nothing but text."""
    lines = text.split("\n")
    return all(line.isprintable() and not line.startswith("::") for line in lines)
