"""The small HDF5 reader says what h5py says, or nothing."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import pytest
from loading_files import EXPECTED, FIXTURES

from opcheck.errors import UnreadableModelError
from opcheck.loading import read
from opcheck.loading.hdf5_attributes import root_attributes

NAMES = frozenset({"model_config", "training_config", "keras_version", "backend", "layer_names"})
FILES = sorted(name for name in EXPECTED if name.endswith(".h5"))


def by_h5py(path: Path) -> dict[str, str]:
    with h5py.File(path, "r") as h5:
        values = {name: h5.attrs[name] for name in NAMES if name in h5.attrs}
    return {
        name: "" if hasattr(v, "shape") and v.shape else v.decode() if isinstance(v, bytes) else v
        for name, v in values.items()
    }


@pytest.mark.parametrize("name", FILES)
def test_fixtures(name: str) -> None:
    with (FIXTURES / name).open("rb") as file:
        found = root_attributes(file, NAMES, 2**20)
    assert found == by_h5py(FIXTURES / name)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("value", ["{}", b"{}", "é" * 40_000, [b"a", b"b"], 7, "", None])
def test_made_files(tmp_path: Path, libver: str, value: object) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w", libver=libver) as h5:
        for index in range(5):
            h5.attrs[f"other{index}"] = "x" * 3000
        h5.attrs["backend"] = h5py.Empty("f") if value is None else value
        h5.attrs["keras_version"] = "2.10.0"
        h5.create_group("model_weights")
    with path.open("rb") as file:
        found = root_attributes(file, NAMES, 2**20)
    if libver == "latest":
        assert found is None
    else:
        text = value if isinstance(value, str) else "{}" if value == b"{}" else ""
        assert found == {"backend": text, "keras_version": "2.10.0"}


def test_long_strings_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as h5:
        h5.attrs["backend"] = "x" * 5000
    assert root_attributes(io.BytesIO(path.read_bytes()), NAMES, 4999) is None


def test_every_truncation_is_noticed() -> None:
    content = (FIXTURES / "mnist_cnn-k2.10.h5").read_bytes()
    for part in range(200):
        cut = content[: len(content) * part // 200]
        assert root_attributes(io.BytesIO(cut), NAMES, 2**20) is None


def test_unusual_layouts_are_read_by_h5py(tmp_path: Path) -> None:
    config = '{"class_name": "Sequential", "config": {"name": "s", "layers": []}}'
    path = tmp_path / "m.h5"
    with h5py.File(path, "w", libver="latest") as h5:
        h5.attrs["model_config"] = config
        h5["model_weights"] = h5py.ExternalLink("/etc/elsewhere.h5", "/x")
    source = read(str(path))
    assert source.name == "s"
    assert [hazard.code for hazard in source.hazards] == ["external-file"]
    with h5py.File(path, "w", userblock_size=512) as h5:
        h5.attrs["model_config"] = config
    with pytest.raises(UnreadableModelError):
        read(str(path))
    with h5py.File(path, "w") as h5:
        h5["data"] = [1, 2]
    with pytest.raises(UnreadableModelError, match="an HDF5 file without a Keras model in it"):
        read(str(path))
