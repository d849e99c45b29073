"""The corpus in the worker, beside Kerases that would run it: nothing runs, and nothing is called.

Every file that `inspect` reads is put to one process; the real command is tried on a few. The
corpus is that of tests/hostile.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from corpus import ATTACKS, Attack, Bait, make_all

from opcheck.confine import environment
from opcheck.errors import OpcheckError
from opcheck.loading import read
from opcheck.worker.answer import answer
from opcheck.worker.protocol import WorkerReply, WorkerRequest

from .conftest import BATCH

READABLE = [attack for attack in ATTACKS if attack.hazard is not None]
# What no stand-in can take the place of is refused, and so are graphs with ops that touch files.
COMMAND = ["CVE-2025-9905.h5", "CVE-2025-12058-url.h5", "write-file.pb"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fifos")


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        yield server


@pytest.fixture(scope="module")
def bait(tmp_path_factory: pytest.TempPathFactory, listener: socket.socket) -> Bait:
    return Bait(tmp_path_factory.mktemp("corpus"), listener.getsockname()[1])


@pytest.fixture(scope="module")
def corpus(bait: Bait) -> dict[str, Path]:
    return make_all(bait)


@pytest.fixture
def unharmed(bait: Bait, listener: socket.socket) -> Iterator[None]:
    yield
    assert not bait.canary.exists(), "code from a file ran"
    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.fixture(scope="module")
def folders(corpus: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The worker's answers, by attack."""
    place = tmp_path_factory.mktemp("answers")
    folders = {}
    for attack in READABLE:
        folders[attack.name] = folder = place / attack.name
        folder.mkdir()
        request = WorkerRequest(read(str(corpus[attack.name])), ("inference",))
        (folder / "request.json").write_bytes(msgspec.json.encode(request))
    with (place / "output").open("wb") as output:
        subprocess.run(
            [sys.executable, str(BATCH), *map(str, folders.values())],
            env=environment(os.environ),
            stdout=output,
            stderr=output,
            timeout=300,
            check=True,
        )
    return folders


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("attack", READABLE, ids=lambda attack: attack.name)
def test_the_worker(attack: Attack, folders: dict[str, Path]) -> None:
    """An error of opcheck's own, or a reply that says what was not rebuilt."""
    name, hazard = attack.name, attack.hazard
    assert not (folders[name] / "crash").exists(), (folders[name] / "crash").read_text()
    try:
        reply = answer(folders[name], 0, WorkerReply)
    except OpcheckError:
        return
    if hazard != "external-file":  # weights, which are never read
        assert hazard in [replaced.code for replaced in reply.replaced]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("name", COMMAND)
def test_the_command(name: str, corpus: dict[str, Path], tmp_path: Path) -> None:
    """The hazard is in the report, or the file is refused; it never passes."""
    command = ["check", str(corpus[name]), "-t", "metal@1.2.0", "--step", "inference"]
    done = subprocess.run(
        [sys.executable, "-m", "opcheck", *command, "--evidence", "predicted", "-f", "json"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    expected = next(attack.hazard for attack in ATTACKS if attack.name == name)
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    if name.endswith(".pb"):
        assert done.returncode == 2
        assert "WriteFile" in done.stderr
        return
    hazards = [hazard["code"] for hazard in json.loads(done.stdout)["model"]["hazards"]]
    assert expected in hazards
    assert done.returncode == 2


def test_the_canary_works(bait: Bait, corpus: dict[str, Path]) -> None:
    """The control: with --trust the same file runs its code. Last, for it leaves the canary."""
    command = ["check", str(corpus["CVE-2025-9905.h5"]), "-t", "metal@1.2.0", "--trust"]
    subprocess.run(
        [sys.executable, "-m", "opcheck", *command, "--evidence", "predicted"],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert bait.canary.exists()
    bait.canary.unlink()
