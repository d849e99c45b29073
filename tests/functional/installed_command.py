"""Runs the installed ``opcheck`` command, as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"
OPCHECK = Path(sys.executable).with_name("opcheck")
EXPECTED: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected_layers.json").read_text())

_SECONDS = 120  # far above what any command takes, so that a hang ends

Runner = Callable[..., "Ran"]


@dataclass(frozen=True)
class Ran:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def environment(**changes: str) -> dict[str, str]:
    """This process', with the tested command first on PATH and none of opcheck's own variables."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPCHECK_")}
    return {**kept, "PATH": f"{OPCHECK.parent}{os.pathsep}{os.environ['PATH']}", **changes}


def run(
    command: list[str], cwd: Path = ROOT, env: Mapping[str, str] | None = None, stdin: str = ""
) -> Ran:
    """Run a command that must not end in a traceback, whatever else it does."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env or environment(),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in ran.out + ran.err, ran.err
    return ran
