"""What the installed TensorFlow makes of the fixtures. It is started once, for all of them."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from opcheck.confine import environment
from opcheck.loading import read
from opcheck.worker.answer import answer
from opcheck.worker.protocol import WorkerReply, WorkerRequest

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"
BATCH = Path(__file__).with_name("batch_worker.py")
BATCH_SIZE = 2


def _installed(*names: str) -> tuple[int, ...]:
    for name in names:
        try:
            return tuple(int(part) for part in version(name).split(".")[:2])
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(names[0])


TENSORFLOW = _installed("tensorflow-cpu", "tensorflow")
KERAS = _installed("keras")

# Each TensorFlow opens what its own time wrote, and a taste of what came before.
_ERAS = {
    (2, 10): ("2.2.4", "2.2.4-tf", "2.3.1", "2.4", "2.5", "2.8", "2.10"),
    (2, 15): ("2.6", "2.12", "2.13", "2.15"),
    (2, 18): ("2.15", "2.18", "3.0", "3.15"),
    (2, 21): ("2.15", "3.6", "3.15"),
}

# Files that hold no model, and what Keras itself cannot rebuild in the environment named.
NO_MODEL = ("mnist_cnn_weights-", "mnist_cnn_checkpoint-", "mnist_cnn_ckpt-")
UNBUILDABLE = {
    "subclassed-k3.15.keras": "not part of Keras",
    "functional_ops-k3.15.h5": "Unknown layer: 'Absolute'",
    "augmentation-k3.0.keras": "could not be rebuilt",
    "experimental_rnn-k2.2.4-tf.h5": "Unknown layer",
    "experimental_rnn-k2.4.h5": "Unknown layer",
    "experimental_sequence-k2.4.h5": "could not be traced",
    "transformer_block-k2.4.h5": "query_shape",
}


def model_files() -> list[str]:
    """The fixtures that this environment is asked to open, by file name."""
    eras = _ERAS.get(TENSORFLOW, _ERAS[2, 21])
    found = []
    for path in sorted(FIXTURES.iterdir()):
        stem = path.name.removesuffix("-savedmodel")
        for ending in (".h5", ".keras", ".pb"):
            stem = stem.removesuffix(ending)
        era = stem.partition("-k")[2].removesuffix("-export").removesuffix("-simple")
        if era in eras and not path.name.startswith(NO_MODEL):
            found.append(path.name)
    return found


class Answers:
    """The worker's answers to requests for fixtures, by file name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, names: list[str]) -> None:
        """Put every request of ``names`` to one process."""
        folders = []
        for name in names:
            folder = self._folder / name
            folder.mkdir()
            request = WorkerRequest(
                read(str(FIXTURES / name)), ("inference", "training"), batch_size=BATCH_SIZE
            )
            (folder / "request.json").write_bytes(msgspec.json.encode(request))
            folders.append(str(folder))
        with (self._folder / "output").open("wb") as output:
            subprocess.run(
                [sys.executable, str(BATCH), *folders],
                env=environment(os.environ),
                stdout=output,
                stderr=output,
                check=True,
            )

    @functools.cache  # noqa: B019  lives as long as the session
    def __call__(self, name: str) -> WorkerReply:
        """Raises the error that a check of this fixture would raise."""
        folder = self._folder / name
        crash = folder / "crash"
        assert not crash.exists(), crash.read_text()
        return answer(folder, 0, WorkerReply)


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    found = Answers(tmp_path_factory.mktemp("answers"))
    found.ask(model_files())
    return found


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device of our own, so that it is built here and not found."""
    return tmp_path_factory.mktemp("cache")


Ask = Callable[[str], WorkerReply]
