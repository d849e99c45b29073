"""Damaged and absurd files: an error of opcheck's own or a whole result, never anything else.

A damaged file that can still be read as a model is read: a graph that ends between two ops, a byte
flipped inside a name or a weight. Then the result must be one: layers that are nodes, and JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from corpus import dense, keras3, legacy, stored

from opcheck.errors import CannotCheckError
from opcheck.loading import ModelSource, hdf5, keras_archive, read
from opcheck.loading.hdf5_library import Answer

FIXTURES = Path(__file__).parents[2] / "fixtures"
MODELS = sorted(
    path.name
    for path in FIXTURES.iterdir()
    if path.suffix in (".h5", ".keras", ".pb") or (path / "saved_model.pb").is_file()
)
CUTS, FLIPS = 40, 200


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HDF5 library has a process for each file: here for a sample only, see below."""
    monkeypatch.setattr(hdf5, "ask", lambda *_: Answer(error="not asked"))
    monkeypatch.setattr(keras_archive, "ask_archive", lambda _: Answer(error="not asked"))


def outcome(path: Path) -> ModelSource | CannotCheckError:
    """Any other exception fails the test."""
    try:
        source = read(str(path))
    except CannotCheckError as error:
        assert error.message.endswith(".")
        assert "\n" not in str(error)
        return error
    assert all(layer.path and layer.class_name for layer in source.layers)
    assert msgspec.json.decode(msgspec.json.encode(source), type=ModelSource) == source
    return source


def damaged(content: bytes, seed: str) -> Iterator[bytes]:
    for cut in range(CUTS):
        yield content[: len(content) * cut // CUTS]
    chance = random.Random(seed)
    for _ in range(FLIPS):
        changed = bytearray(content)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        yield bytes(changed)


def copied(name: str, folder: Path) -> Path:
    """A copy, and the file of it to damage."""
    original, copy = FIXTURES / name, folder / name
    if original.is_file():
        shutil.copy(original, copy)
        return copy
    copy.mkdir()
    for file in ("saved_model.pb", "keras_metadata.pb"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(original / file, copy)
    return copy / "saved_model.pb"


@pytest.mark.usefixtures("without_library")
@pytest.mark.parametrize("name", MODELS)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    file = copied(name, tmp_path)
    content = file.read_bytes()
    for data in damaged(content, name):
        file.write_bytes(data)
        found = outcome(tmp_path / name)
        assert data or isinstance(found, CannotCheckError)


@pytest.mark.parametrize("name", ["mnist_cnn-k2.10.h5", "custom_inverse-k3.15.h5"])
def test_damaged_files_and_the_library(name: str, tmp_path: Path) -> None:
    file = copied(name, tmp_path)
    for data in list(damaged(file.read_bytes(), name))[:: (CUTS + FLIPS) // 12]:
        file.write_bytes(data)
        outcome(file)


@pytest.mark.usefixtures("without_library")
@pytest.mark.parametrize("extension", [".h5", ".keras", ".pb", ".txt"])
def test_swapped_extensions(extension: str, tmp_path: Path) -> None:
    for name in MODELS:
        path = FIXTURES / name
        if path.is_file() and path.suffix != extension and path.stat().st_size < 400_000:
            copy = tmp_path / f"{path.stem}{extension}"
            shutil.copy(path, copy)
            found = outcome(copy)
            allowed = extension == ".txt" or (path.suffix, extension) == (".h5", ".keras")
            assert isinstance(found, CannotCheckError) or allowed, name


def _cyclic() -> str:
    layers = [
        {"class_name": "Dense", "name": name, "config": {"name": name, "units": 2},
         "inbound_nodes": [[[other, 0, 0, {}]]]}
        for name, other in (("a", "b"), ("b", "a"))
    ]  # fmt: skip
    config = {"name": "m", "layers": layers, "input_layers": [["a", 0, 0]]}
    return json.dumps(
        {"class_name": "Functional", "config": {**config, "output_layers": [["b", 0, 0]]}}
    )


@pytest.mark.usefixtures("without_library")
def test_large_and_odd_configs(tmp_path: Path) -> None:
    many = [dense(name=f"d{index}") for index in range(5000)]
    stored(tmp_path / "many.h5", *many).close()
    found = outcome(tmp_path / "many.h5")
    assert isinstance(found, ModelSource)
    assert len(found.layers) == 5001
    (tmp_path / "deep.keras").write_bytes(_archive(_deep()))
    assert isinstance(outcome(tmp_path / "deep.keras"), CannotCheckError)
    (tmp_path / "cyclic.keras").write_bytes(_archive(_cyclic()))
    found = outcome(tmp_path / "cyclic.keras")
    assert "feed one another in a circle: " in str(found)


def _garbage(folder: Path) -> Iterator[Path]:
    """What is no model, and what must not be opened at all."""
    (folder / "empty.h5").touch()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo.h5")
    (folder / "loop.h5").symlink_to(folder / "loop.h5")
    for head, name in ((b"", "zeros"), (b"\x89HDF\r\n\x1a\n", "h5"), (b"PK\x03\x04", "keras")):
        with (folder / f"sparse.{name}").open("wb") as file:
            file.write(head)
            file.truncate(10 * 2**30)
    (folder / "text.h5").write_text(legacy(dense()))
    content = (FIXTURES / "mnist_cnn-k2.15.keras").read_bytes()
    (folder / "cut.keras").write_bytes(content[: len(content) // 2])
    (folder / "cut.pb").write_bytes((FIXTURES / "mnist_cnn-k2.10.pb").read_bytes()[:5000])
    (folder / "cut.h5").write_bytes((FIXTURES / "mnist_cnn-k2.10.h5").read_bytes()[:3000])
    shutil.copy(FIXTURES / "mnist_cnn-k2.10.h5", folder / "forbidden.h5")
    (folder / "forbidden.h5").chmod(0)
    (folder / os.fsdecode(b"no text \xff.h5")).touch()
    (folder / "saved").mkdir()
    os.mkfifo(folder / "saved" / "saved_model.pb")
    (folder / "inside").mkdir()
    (folder / "inside" / "saved_model.pb").symlink_to(folder / "zeros.pb")
    with (folder / "zeros.pb").open("wb") as file:
        file.truncate(10 * 2**30)
    (folder / "device.h5").symlink_to("/dev/zero")
    (folder / "cyclic.keras").write_bytes(_archive(_cyclic()))
    (folder / "deep.keras").write_bytes(_archive(_deep()))
    yield from sorted(folder.iterdir())
    yield folder / "missing.h5"


def _archive(config: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", config)
    return file.getvalue()


def _deep() -> str:
    nested = keras3("Dense", {"name": "d", "units": 2})
    for level in range(300):
        nested = keras3("Sequential", {"name": f"m{level}", "layers": [nested]}, "keras")
    return json.dumps(nested)


def _as_a_user() -> None:
    """In the new process: permissions count, even for root."""
    if sys.platform == "linux" and os.geteuid() == 0:
        drop = ctypes.CDLL(None).prctl
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            assert drop(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file types")
@pytest.mark.parametrize("command", [["inspect"], ["check", "-t", "metal"], ["fix", "-t", "metal"]])
def test_the_command_on_garbage(command: list[str], tmp_path: Path) -> None:
    """Exit code 2 and one line; no traceback, no hang, nothing left."""
    output = ["-o", str(tmp_path / "fixed.h5")] if command[0] == "fix" else []
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    models = tmp_path / "models"
    models.mkdir()
    for path in _garbage(models):
        done = subprocess.run(
            [sys.executable, "-m", "opcheck", *command, str(path), *output],
            env={**os.environ, "TMPDIR": str(temporary)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=_as_a_user,
        )
        assert done.returncode == 2, (path, done.stdout, done.stderr)
        assert done.stderr.startswith("opcheck: "), path
        assert done.stderr.count("\n") == 1
        assert "mistake" not in done.stderr
        assert done.stdout == ""
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "fixed.h5").exists()
