"""The corpus, made once; the canary of a file is looked at after every test."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from corpus import Bait, make_all

Corpus = dict[str, tuple[Path, Bait]]


@pytest.fixture(scope="session")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        yield server


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, listener: socket.socket) -> Corpus:
    return make_all(tmp_path_factory.mktemp("corpus"), listener.getsockname()[1])


@pytest.fixture
def model(
    request: pytest.FixtureRequest, corpus: Corpus, listener: socket.socket
) -> Iterator[Path]:
    """The file of the attack that is the parameter; it does nothing, whatever the test does."""
    path, bait = corpus[request.param]
    before = sorted(bait.folder.rglob("*"))
    yield path
    assert sorted(bait.folder.rglob("*")) == before, "code from the file ran"
    with pytest.raises(TimeoutError):
        listener.accept()
