"""Every path that is no model gets one sentence that says what it is."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import socket
import sys
import zipfile
from pathlib import Path

import pytest
from loading_files import FIXTURES

from opcheck.errors import OpcheckError, RefusedModelError, UnreadableModelError
from opcheck.loading import read

H5 = FIXTURES / "mnist_cnn-k2.10.h5"
KERAS = FIXTURES / "mnist_cnn-k2.15.keras"
GRAPH = FIXTURES / "mnist_cnn-k2.10.pb"
SAVEDMODEL = FIXTURES / "mnist_cnn-k2.10-savedmodel"


def fails(path: Path | str, kind: type[OpcheckError] = UnreadableModelError) -> OpcheckError:
    with pytest.raises(kind) as caught:
        read(str(path))
    error = caught.value
    assert error.message.endswith(".") and "\n" not in str(error)
    assert error.exit_code == 2
    return error


def zipped(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return data.getvalue()


ARCHITECTURE = json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": []}})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.h5", b"", "an empty file"),
        ("m.h5", b"\0" * 5000, "only zeros"),
        ("m.h5", b"<!DOCTYPE html>\n<html><body>404", "a web page"),
        ("m.keras", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs"),
        ("m.pkl", pickle.dumps({"a": 1}), "a Python pickle"),
        ("m.pt", zipped(archive__data_dot_pkl=b"x"), "a PyTorch checkpoint"),
        ("m.npz", zipped(a_dot_npy=b"x"), "a zip archive, but not a .keras model"),
        ("m.onnx", b"\x08\x07\x12\x07pytorch\x1a\x052.0.0:", "an ONNX model"),
        ("m.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 40, "a TensorFlow Lite model"),
        ("m.npy", b"\x93NUMPY\x01\0", "a NumPy array"),
        ("m.gz", b"\x1f\x8b\x08\0", "a gzip archive"),
        ("m.tar", b"a" * 257 + b"ustar\0", "a tar archive"),
        ("m.json", ARCHITECTURE.encode(), "only the architecture of a model as JSON"),
        ("m.json", b'{"a": 1}', "JSON, not a model"),
        ("m.yaml", b"backend: tensorflow\nclass_name: Sequential\n", "the architecture of a model"),
        ("checkpoint", b'model_checkpoint_path: "ckpt-1"\n', "the index of TensorFlow checkpoints"),
        ("m.pbtxt", b'node {\n  name: "x"\n}\n', "a graph in text form"),
        ("m.safetensors", b'\x40\0\0\0\0\0\0\0{"a":', "a safetensors file"),
        ("m.py", b"import keras\n", "a program text"),
        ("notes.txt", "Grüße, a few notes\n".encode(), "a text file"),
        ("m.bin", bytes(range(1, 255)) * 4, "not a model file"),
        ("m.pb", b"\x0a\xff\xff\xff\xff\xff\xff\xff", "not a model file"),
        ("m.pb", b"\x0a\x80\x00" * 10, "not a model file"),
        ("saved_model.pb", b"\x08\x01\x12\x00", "the graph of a SavedModel without its folder"),
        ("m.h5", b"\x89HDF\r\n\x1a\n", "begins like HDF5 but is damaged"),
        ("m.h5", b"\x89HDF\r\n\x1a\n" + b"\xff" * 3000, "begins like HDF5 but is damaged"),
        ("m.keras", b"PK\x03\x04" + b"\xff" * 300, "begins like a zip archive but is damaged"),
        ("m.keras", zipped(config_dot_json=b"{"), "is not valid JSON"),
        ("m.keras", zipped(config_dot_json=b"[]"), "not an object"),
        ("m.keras", zipped(config_dot_json=b'{"a": 1}'), "not the config of a Keras model"),
        ("m.keras", zipped(config_dot_json=b"[" * 100_000), "deeper than 200 levels"),
        ("m.keras", zipped(config_dot_json=b'{"a":' * 300 + b"1" + b"}" * 300), "deeper than"),
        ("m.keras", zipped(config_dot_json=b"\xff\xfe\xff"), "is not valid JSON"),
    ],
)
def test_files(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = fails(path)
    assert says in error.message
    assert str(path) in error.message


def test_missing_path(tmp_path: Path) -> None:
    assert "does not exist" in fails(tmp_path / "none.h5").message
    assert "does not exist" in fails("a\0b").message
    assert "does not exist" in fails("x" * 5000).message
    assert "does not exist" in fails(H5 / "below").message


def test_factory_only_when_no_such_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = read("package.module:build_model")
    assert (source.format, source.layers, source.sha256) == ("factory", (), "")
    monkeypatch.chdir(tmp_path)
    shutil.copy(H5, "package.module:build_model")
    assert read("package.module:build_model").format == "hdf5"
    assert "does not exist" in fails("not a module:build").message


def test_checkpoint_prefix_and_parts() -> None:
    folder = FIXTURES / "mnist_cnn-k2.10-checkpoint"
    prefix = next(folder.glob("*.index")).with_suffix("")
    data = next(folder.glob("*.data-*"))
    for path in (folder, prefix, data, f"{prefix}.index"):
        assert "is a TensorFlow checkpoint: it holds only weights" in fails(path).message


def test_folders(tmp_path: Path) -> None:
    assert "an empty folder" in fails(tmp_path).message
    (tmp_path / "readme").write_text("hello")
    assert "no SavedModel: it has no saved_model.pb" in fails(tmp_path).message
    shutil.copy(H5, tmp_path / "a.h5")
    error = fails(tmp_path)
    assert "a folder with models in it" in error.message
    assert str(tmp_path / "a.h5") in str(error.hint)
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(KERAS) as archive:
        archive.extractall(unpacked)
    assert "an unpacked .keras archive" in fails(unpacked).message


def test_savedmodel_with_damaged_files(tmp_path: Path) -> None:
    model = tmp_path / "m"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"")
    assert "a SavedModel without a graph" in fails(model).message
    (model / "saved_model.pb").write_bytes(b"\x08\x01\x12\x20\x00")
    assert "a SavedModel that is damaged" in fails(model).message
    shutil.copy(SAVEDMODEL / "saved_model.pb", model)
    (model / "keras_metadata.pb").write_bytes(b"\x0a\x05ab")
    assert "a SavedModel that is damaged" in fails(model).message


def test_extension_that_lies(tmp_path: Path) -> None:
    for original, name, what in (
        (KERAS, "m.h5", "a .keras archive"),
        (H5, "m.pb", "an HDF5 file"),
        (GRAPH, "m.h5", "a frozen graph"),
    ):
        shutil.copy(original, tmp_path / name)
        error = fails(tmp_path / name)
        assert f"the name ends in {Path(name).suffix}, but the file is {what}" in error.message
        assert error.hint
        assert error.hint.startswith("Rename it to end in .")
    shutil.copy(H5, tmp_path / "old.keras")  # as Keras 2 saved it before 2.12
    source = read(str(tmp_path / "old.keras"))
    assert source.format == "hdf5"
    assert source.notes[-1] == "The name ends in .keras, but the file is an HDF5 file."
    shutil.copy(H5, tmp_path / "model")
    assert read(str(tmp_path / "model")).notes == ()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file types")
def test_special_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "is a fifo" in fails(tmp_path / "fifo").message
    assert "is a device" in fails("/dev/null").message
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "leads back to itself" in fails(tmp_path / "loop").message
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert "a symbolic link to nothing" in fails(tmp_path / "dangling").message
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(tmp_path)  # socket paths are short
        listener.bind("s")
        assert "is a socket" in fails(tmp_path / "s").message
    folder = tmp_path / "m"
    folder.mkdir()
    os.mkfifo(folder / "saved_model.pb")
    assert "it has no saved_model.pb" in fails(folder).message


@pytest.mark.skipif(
    sys.platform == "win32" or getattr(os, "geteuid", lambda: 0)() == 0,
    reason="permissions do not bind the superuser",
)
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    shutil.copy(H5, path)
    path.chmod(0)
    assert "permission denied" in fails(path).message


def test_permission_denied_by_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert "permission denied" in fails(H5).message


@pytest.mark.parametrize("original", [H5, KERAS, GRAPH, FIXTURES / "mobilenet_v2-k2.10.h5"])
def test_truncated_files(tmp_path: Path, original: Path) -> None:
    content = original.read_bytes()
    path = tmp_path / original.name
    for part in range(1, 40):
        path.write_bytes(content[: len(content) * part // 40])
        try:
            read(str(path))
        except UnreadableModelError:
            continue
        # Only a graph may end between two ops, and HDF5 before weights that are not read.
        assert original.suffix in (".pb", ".h5")


@pytest.mark.parametrize("file", ["saved_model.pb", "keras_metadata.pb"])
def test_truncated_savedmodel(tmp_path: Path, file: str) -> None:
    for name in ("saved_model.pb", "keras_metadata.pb"):
        shutil.copy(SAVEDMODEL / name, tmp_path)
    content = (SAVEDMODEL / file).read_bytes()
    for part in range(40):
        (tmp_path / file).write_bytes(content[: len(content) * part // 40])
        try:
            read(str(tmp_path))
        except UnreadableModelError:
            continue
        assert file == "keras_metadata.pb"  # it may end between two layers


@pytest.mark.parametrize(
    ("name", "says"),
    [("../evil", "unsafe name"), ("/etc/evil", "unsafe name"), ("a/../../b", "unsafe name"),
     ("C:/evil", "unsafe name"), ("..\\evil", "unsafe name")],
)  # fmt: skip
def test_archive_names(tmp_path: Path, name: str, says: str) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", ARCHITECTURE)
        archive.writestr(name, "x")
    assert says in fails(path, RefusedModelError).message


def test_archive_links_duplicates_and_bombs(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("config.json")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "with the link" in fails(path, RefusedModelError).message
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning):
        archive.writestr("config.json", ARCHITECTURE)
        archive.writestr("config.json", ARCHITECTURE)
    assert "twice" in fails(path, RefusedModelError).message
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 2**24)
    assert "a bomb" in fails(path, RefusedModelError).message


def test_a_misspelt_file_is_told_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "classifier.keras").touch()
    with pytest.raises(UnreadableModelError, match=r"Did you mean .*classifier\.keras\?"):
        read(str(tmp_path / "clasifier.keras"))
    with pytest.raises(UnreadableModelError, match="Give a model file"):
        read(str(tmp_path / "other.h5"))
