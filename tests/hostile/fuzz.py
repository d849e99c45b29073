"""A coverage-guided fuzz target for everything that reads a model file: `nox -s fuzz`.

For longer: `python tests/hostile/fuzz.py -max_total_time=3600 FOLDER`, where FOLDER keeps what it
finds from one run to the next. Any exception but CannotCheckError is a find; the input is left as
``crash-*`` in the current folder.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["opcheck.loading"]):
    from opcheck.errors import CannotCheckError
    from opcheck.loading import keras_archive, safe_config
    from opcheck.loading.graphdef import read_frozen_graph
    from opcheck.loading.hdf5_attributes import root_attributes
    from opcheck.loading.hdf5_library import Answer
    from opcheck.loading.keras_archive import read_keras_archive
    from opcheck.loading.savedmodel import read_savedmodel
    from opcheck.loading.stored import model_from_config

FIXTURES = Path(__file__).parents[2] / "fixtures"
SEEDS = (
    *("mnist_cnn-k2.15.keras", "lambda_model-k3.15.keras", "mnist_cnn-k2.10.pb"),
    *("lambda_model-k2.10.h5", "augmentation-k2.10.h5"),
    *("mnist_cnn-k2.10-savedmodel/saved_model.pb", "mnist_cnn-k2.10-savedmodel/keras_metadata.pb"),
)
LONGEST = 200_000  # bytes
ATTRIBUTES = frozenset({"model_config", "keras_version"})


# What it asks the HDF5 library has a process of its own.
keras_archive.ask_archive = lambda _: Answer()


def one(data: bytes) -> None:
    """The first byte chooses the reader, the others are the file."""
    kind, content = data[:1], data[1:]
    try:
        if kind == b"z":
            read_keras_archive(io.BytesIO(content), "m.keras")
        elif kind == b"h":
            root_attributes(io.BytesIO(content), ATTRIBUTES, 2**20)
        elif kind == b"g":
            read_frozen_graph(memoryview(content), "m.pb")
        elif kind == b"s":
            read_savedmodel(memoryview(content), None, "m")
        elif kind == b"m":
            read_savedmodel(memoryview(b"\x12\x00"), memoryview(content), "m")
        else:
            _config(content)
    except CannotCheckError:
        pass


def _config(content: bytes) -> None:
    try:
        root = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(root, dict):
        safe_config(json.dumps(root))
        model_from_config(root, training=root, keras_version="2.10", backend=None, path="m")


def seeds(folder: Path) -> None:
    """The fixtures, each for its reader, and the configs in them."""
    import zipfile

    letters = {".keras": b"z", ".h5": b"h"}
    for name in SEEDS:
        path = FIXTURES / name
        letter = {"saved_model.pb": b"s", "keras_metadata.pb": b"m"}.get(path.name, b"g")
        letter = letters.get(path.suffix, letter)
        (folder / name.replace("/", "-")).write_bytes(letter + path.read_bytes()[:LONGEST])
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                (folder / f"{name}.json").write_bytes(b"c" + archive.read("config.json"))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        seeds(Path(place))
        # libFuzzer writes what it finds to the first folder: the user's, if there is one.
        options = [f"-max_len={LONGEST}", "-rss_limit_mb=2048", "-timeout=20"]
        atheris.Setup([sys.argv[0], *options, *sys.argv[1:], place], one)
        atheris.Fuzz()
