"""`inspect` on every file of the corpus: the exit code, the hazard, and that nothing happened."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from corpus import ATTACKS, Attack

from opcheck import cli

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fifos")
SLOWEST = 45  # seconds: the HDF5 library's own limit is 30


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_inspect(
    attack: Attack,
    corpus: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    started = time.monotonic()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(["inspect", str(corpus[attack.name]), "--format", "json"])
    assert time.monotonic() - started < SLOWEST
    assert list(tmp_path.iterdir()) == []
    if attack.hazard is None:
        assert code == 2, out.getvalue()
        assert err.getvalue().startswith("opcheck: ")
        assert "mistake" not in err.getvalue()
    else:
        assert code == 0, err.getvalue()
        hazards = json.loads(out.getvalue())["model"]["hazards"]
        assert attack.hazard in [hazard["code"] for hazard in hazards]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_memory(attack: Attack, corpus: dict[str, Path]) -> None:
    """Reading needs little: in a process that may have 700 MB, it ends the same way."""
    program = f"""
import resource
resource.setrlimit(resource.RLIMIT_DATA, (700 * 2**20,) * 2)
from opcheck.loading import read
from opcheck.errors import OpcheckError
try: read({str(corpus[attack.name])!r}); print("read")
except OpcheckError: print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=SLOWEST,
        check=False,
    )
    assert done.stdout == ("refused\n" if attack.hazard is None else "read\n"), done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_names_reach_no_terminal(
    form: str, corpus: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["inspect", str(corpus["names.h5"]), "--format", form]) == 0
    printed = capsys.readouterr().out
    assert [c for c in printed if not c.isprintable() and c != "\n"] == []
    assert os.linesep + "::error" not in printed
