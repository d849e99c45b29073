"""The corpus, made once; its canaries are looked at after every test."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from corpus import Bait, make_all


@pytest.fixture(scope="session")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        yield server


@pytest.fixture(scope="session")
def bait(tmp_path_factory: pytest.TempPathFactory, listener: socket.socket) -> Bait:
    return Bait(tmp_path_factory.mktemp("corpus"), listener.getsockname()[1])


@pytest.fixture(scope="session")
def corpus(bait: Bait) -> dict[str, Path]:
    return make_all(bait)


@pytest.fixture
def unharmed(bait: Bait, listener: socket.socket) -> Iterator[None]:
    yield
    assert not bait.canary.exists(), "code from a file ran"
    with pytest.raises(TimeoutError):
        listener.accept()
