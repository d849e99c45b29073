"""The command, run in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from opcheck import cli
from opcheck.report import Report


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def opcheck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Runs a command in an empty folder, with no option in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("TARGETS", "NEAREST", "STEP", "EVIDENCE", "FAIL_ON", "BATCH_SIZE", "TIMEOUT"):
        monkeypatch.delenv(f"OPCHECK_{name}", raising=False)

    def run(*words: str) -> Ran:
        code = cli.run(words)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, report: Report) -> list[tuple]:
    """Replaces the check by the canonical report; holds what it was called with."""
    calls: list[tuple] = []

    def check(spec: str, *, options: object, **_: object) -> Report:
        calls.append((spec, options))
        return report

    monkeypatch.setattr("opcheck.pipeline.check", check)
    return calls
