"""Ctrl-C, and a cancelled build's SIGTERM, at random moments of whole commands: no process and no
file is left, and a file that was there is whole.

TEST_INTERRUPTS says how many moments of each command; the seed is printed by a failure.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[2] / "fixtures"
ENDING = "k3.15.keras"
TARGET = "metal@1.2.0"
MOMENTS = int(os.environ.get("TEST_INTERRUPTS", "10"))
COMMANDS = ("check", "scan", "fix", "trace")
OLD = '{"an older": "report"}'
# Tells when it begins; the handlers of main follow at once.
PROGRAM = """
import sys
from opcheck import cli
print("go", flush=True)
cli.main(sys.argv[1:])
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def _command(name: str, out: Path) -> list[str]:
    model = str(FIXTURES / f"mnist_cnn-{ENDING}")
    match name:
        case "fix":
            rewritten = str(FIXTURES / f"transformer_block-{ENDING}")
            return ["fix", rewritten, "-t", TARGET, "-o", str(out / "fixed.keras")]
        case "trace":
            return ["trace", model, "-t", TARGET, "-o", str(out / "log")]
        case "scan":
            words = ["scan", model, str(FIXTURES / f"rnn_cells-{ENDING}"), "-t", TARGET]
        case _:
            words = ["check", model, "-t", TARGET]
    return [*words, "-f", "json", "-o", str(out / "report.json")]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupt_at_any_moment(name: str, tmp_path: Path) -> None:
    """The device is built anew each time, so that the compiler is met as well."""
    whole = _run(name, tmp_path / "whole", None)
    for moment in range(MOMENTS):
        seed = f"{name} {moment}"
        chance = random.Random(seed)
        _run(name, tmp_path / f"{moment}", chance.uniform(0.05, whole), seed)


def _run(name: str, place: Path, delay: float | None, seed: str = "") -> float:
    """Run it, interrupted after ``delay`` seconds or not at all; the seconds that it took."""
    temporary, out, cache = place / "tmp", place / "out", place / "cache"
    for folder in (temporary, out, cache):
        folder.mkdir(parents=True)
    if name in ("check", "scan"):
        (out / "report.json").write_text(OLD)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *_command(name, out)],
        env={**os.environ, "TMPDIR": str(temporary), "OPCHECK_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "go\n"
    started = time.monotonic()
    if delay is not None:
        time.sleep(delay)
        process.send_signal(random.Random(seed).choice([signal.SIGINT, signal.SIGTERM]))
    _, errors = process.communicate(timeout=400)
    took = time.monotonic() - started
    ended = process.returncode in (0, 1, 2) and errors in ("", "opcheck: interrupted\n")
    assert ended, (seed, process.returncode, errors)
    assert list(temporary.iterdir()) == [], seed
    assert [p.name for p in cache.rglob("*") if p.is_file() and p.suffix != ".so"] == [], seed
    assert _processes_with(str(cache)) == [], seed
    for path in out.iterdir():
        assert path.name in ("report.json", "log", "fixed.keras"), seed
        if path.name == "report.json":
            assert json.loads(path.read_text()), seed  # the old one or the new, never a part
    return took


def _processes_with(variable: str) -> list[str]:
    """What still runs of those that got a variable with that value."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return found
