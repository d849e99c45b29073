"""`inspect` on every file of the corpus: what the table says, and nothing happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from corpus import ATTACKS
from outcomes import expected, printed_safely, run

from opcheck import cli

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fifos")
SLOWEST = 45  # seconds: the HDF5 library's own limit is 30
MEMORY = 700 * 2**20
EXPECTED = expected()


def test_the_table_is_whole() -> None:
    assert list(EXPECTED) == list(ATTACKS)
    assert {cell[:1] for row in EXPECTED.values() for cell in row.values()} == {"0", "2"}


@pytest.mark.parametrize("model", ATTACKS, indirect=True)
def test_inspect(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    started = time.monotonic()
    ran = run(["inspect", str(model)])
    assert time.monotonic() - started < SLOWEST
    assert list(tmp_path.iterdir()) == []
    assert ran.cell == EXPECTED[model.name]["inspect"], ran.err
    assert printed_safely(ran.out)
    assert printed_safely(ran.err)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.parametrize("model", ATTACKS, indirect=True)
def test_memory(model: Path) -> None:
    """Reading needs little: in a process that may have 700 MB, it ends the same way."""
    program = f"""
import resource
resource.setrlimit(resource.RLIMIT_DATA, ({MEMORY},) * 2)
from opcheck.loading import read
from opcheck.errors import OpcheckError
try: read({str(model)!r}); print("0")
except OpcheckError: print("2")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=SLOWEST,
        check=False,
    )
    assert done.stdout == EXPECTED[model.name]["inspect"][:1] + "\n", done.stderr


WEIGHTS = {"external-file", "oversized-weights", "unread-weights"}
FIXED = [name for name, row in EXPECTED.items() if WEIGHTS & set(row["inspect"].split())]


@pytest.mark.parametrize("model", FIXED, indirect=True)
def test_fix_does_not_load_weights_from_elsewhere(model: Path, tmp_path: Path) -> None:
    """The only command that loads weights: most Kerases would copy what a link leads to."""
    output = tmp_path / f"fixed{model.suffix}"
    assert cli.run(["fix", str(model), "-t", "metal@1.2.0", "-o", str(output)]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("model", ["names.h5", "names-dense.keras"], indirect=True)
def test_names_reach_no_terminal(
    form: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["inspect", str(model), "--format", form]) == 0
    printed = capsys.readouterr().out
    assert printed_safely(printed)
    assert os.linesep + "::error" not in printed
