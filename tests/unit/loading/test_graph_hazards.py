"""Ops that touch files or run Python are found in graphs, and the checkpoint saver is not one."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcheck.errors import UnreadableModelError
from opcheck.loading import Hazard, read


def field(number: int, payload: bytes | str) -> bytes:
    data = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def node(name: str, op: str, *inputs: str, calls: str | None = None) -> bytes:
    data = field(1, name) + field(2, op) + b"".join(field(3, i) for i in inputs)
    if calls is not None:
        data += field(5, field(1, "f") + field(2, field(10, field(1, calls))))
    return data


def function(name: str, *nodes: bytes) -> bytes:
    return field(1, field(1, name)) + b"".join(field(3, n) for n in nodes)


def graph(nodes: list[bytes], functions: list[bytes] = []) -> bytes:  # noqa: B006
    library = field(2, b"".join(field(1, f) for f in functions))
    return b"".join(field(1, n) for n in nodes) + library


def savedmodel(
    tmp_path: Path,
    graph_def: bytes,
    more: bytes = b"",
    saver: bytes = field(2, "save:0"),
    result: bytes = field(1, "out:0"),
) -> tuple[Hazard, ...]:
    output = field(2, field(1, "y") + field(2, result))
    signature = field(5, field(1, "serving_default") + field(2, output))
    meta = field(2, graph_def) + field(3, saver) + signature + more
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01" + field(2, meta))
    return read(str(tmp_path)).hazards


def ops(hazards: tuple[Hazard, ...]) -> list[str]:
    assert {hazard.code for hazard in hazards} <= {"file-op"}
    return [hazard.message.split("the op ")[1].rstrip(".") for hazard in hazards]


def test_frozen_graph(tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    path.write_bytes(graph([node("x", "Placeholder"), node("y", "Relu", "x")]))
    assert read(str(path)).hazards == ()
    inside = function("body", node("p", "EagerPyFunc"))
    path.write_bytes(graph([node("x", "ReadFile"), node("s", "SaveV2")], [inside]))
    found = ops(read(str(path)).hazards)
    assert found == ["EagerPyFunc (body/p)", "ReadFile (x)", "SaveV2 (s)"]


SAVER = function("save_fn", node("s", "SaveV2"), node("m", "MergeV2Checkpoints"))
SAVE = node("save", "StatefulPartitionedCall", calls="save_fn")


def test_saver_is_no_hazard(tmp_path: Path) -> None:
    out = node("out", "Relu", "x")
    assert savedmodel(tmp_path, graph([out, SAVE], [SAVER])) == ()
    version_1 = [out, node("save/SaveV2", "SaveV2"), node("save", "Identity", "^save/SaveV2")]
    assert savedmodel(tmp_path, graph(version_1)) == ()


def test_saver_ops_that_the_model_runs_are(tmp_path: Path) -> None:
    out = node("out", "Identity", "^save")
    assert len(savedmodel(tmp_path, graph([out, SAVE], [SAVER]))) == 2
    calls = node("out", "StatefulPartitionedCall", calls="save_fn")
    assert len(savedmodel(tmp_path, graph([calls, SAVE], [SAVER]))) == 2
    other = function("__inference__traced_save_1", node("s", "SaveV2"))
    found = savedmodel(tmp_path, graph([node("out", "Relu"), SAVE], [SAVER, other]))
    assert ops(found) == ["SaveV2 (__inference__traced_save_1/s)"]


@pytest.mark.parametrize(
    "op", ["ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless"]
)
def test_other_file_ops_count_even_in_the_saver(tmp_path: Path, op: str) -> None:
    saver = function("save_fn", node("s", op))
    assert ops(savedmodel(tmp_path, graph([SAVE], [saver]))) == [f"{op} (save_fn/s)"]


def collection(name: str, values: bytes) -> bytes:
    return field(4, field(1, name) + field(2, values))


SPARSE = field(4, field(1, "out:0") + field(2, "save:0"))
RUNS = {
    "an initializer": (b"", {"more": field(7, field(2, field(1, "save_fn")))}),
    "a function object": (b"", {"more": field(7, field(1, field(8, field(1, "save_fn"))))}),
    "one of its functions": (b"", {"more": field(7, field(1, field(6, field(1, "save_fn"))))}),
    "the saver itself": (b"", {"saver": field(2, "save:0") + field(3, "save")}),
    "an op": (field(1, node("out", "save_fn")), {}),
    "a collection": (b"", {"more": collection("main_op", field(1, field(1, "save")))}),
    "a variable": (
        b"", {"more": collection("local_variables", field(2, field(1, field(2, "save"))))}
    ),
    "a sparse result": (b"", {"result": SPARSE}),
    "a composite result": (b"", {"result": field(5, field(2, field(5, field(2, SPARSE))))}),
}  # fmt: skip


@pytest.mark.parametrize("by", RUNS)
def test_a_saver_that_something_else_runs(tmp_path: Path, by: str) -> None:
    nodes, given = RUNS[by]
    found = savedmodel(tmp_path, graph([SAVE], [SAVER]) + nodes, **given)
    assert ops(found) == ["MergeV2Checkpoints (save_fn/m)", "SaveV2 (save_fn/s)"]


@pytest.mark.parametrize(
    ("of_function", "of_library"),
    [(b"", field(3, field(1, "save_fn"))), (field(5, field(1, "api_implements")), b"")],
)
def test_a_saver_that_no_node_names(tmp_path: Path, of_function: bytes, of_library: bytes) -> None:
    """A registered gradient; one that runs for another function of which it says the same."""
    library = field(2, field(1, SAVER + of_function) + of_library)
    assert len(savedmodel(tmp_path, field(1, SAVE) + library)) == 2


TWICE = {
    "graph": field(2, graph([SAVE], [SAVER])) * 2,
    "library": field(2, graph([], [SAVER]) + graph([], [SAVER])),
    "signature": field(2, graph([], [field(1, field(1, "f")) * 2])),
    "function's name": field(2, graph([], [field(1, field(1, "f") * 2)])),
    "attribute's name": field(2, graph([node("p", "PrintV2") + field(5, field(1, "a") * 2)])),
    "attribute": field(2, graph([node("p", "PrintV2") + field(5, field(2, b"") * 2)])),
    "called function": field(
        2, graph([node("p", "If") + field(5, field(2, field(10, field(1, "f") * 2)))])
    ),
    "saver": field(3, field(2, "save")) * 2,
    "saving node": field(3, field(2, "save") * 2),
    "objects": field(7, b"") * 2,
    "result": field(5, field(2, field(2, field(2, b"") * 2))),
    "collection": field(4, field(2, b"") * 2),
}


@pytest.mark.parametrize("field_", TWICE)
def test_what_protobuf_would_merge(tmp_path: Path, field_: str) -> None:
    """Of two values it takes the last, or both: the file is not read as it looks."""
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01" + field(2, TWICE[field_]))
    with pytest.raises(UnreadableModelError, match="is there twice"):
        read(str(tmp_path))


@pytest.mark.parametrize(
    ("op", "attribute", "harmless", "file"),
    [
        ("PrintV2", "output_stream", "stderr", "file:///tmp/x"),
        ("PrintV2", "output_stream", "log(info)", "/tmp/x"),
        ("DecodeProtoV2", "descriptor_source", "local://", "/tmp/descriptor"),
        ("EncodeProto", "descriptor_source", "bytes://abc", "descriptor"),
    ],
)
def test_an_attribute_that_names_a_file(
    tmp_path: Path, op: str, attribute: str, harmless: str, file: str
) -> None:
    path = tmp_path / "m.pb"
    for value, expected in ((harmless, []), (file, [f"{op} (p)"])):
        named = field(5, field(1, attribute) + field(2, field(2, value)))
        path.write_bytes(graph([node("x", "Placeholder"), node("p", op, "x") + named]))
        assert ops(read(str(path)).hazards) == expected


def test_an_attribute_that_the_call_of_a_function_gives(tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    for value in (field(9, "os"), field(2, "stderr") + field(9, "os")):
        print_ = node("p", "PrintV2") + field(5, field(1, "output_stream") + field(2, value))
        path.write_bytes(graph([node("x", "Placeholder")], [function("P", print_)]))
        assert ops(read(str(path)).hazards) == ["PrintV2 (P/p)"]


def test_functions_that_call_each_other(tmp_path: Path) -> None:
    first = function("save_fn", node("a", "PartitionedCall", calls="b"), node("s", "SaveV2"))
    second = function("b", node("c", "PartitionedCall", calls="save_fn"))
    assert savedmodel(tmp_path, graph([SAVE], [first, second])) == ()


def test_nameless_or_deep_keras_objects(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01" + field(2, field(2, graph([]))))
    layer = '{"class_name": "pkg>Mine", "name": "m"}'
    nodes = [
        field(3, "root" + ".m" * depth) + field(4, "_tf_keras_layer") + field(5, layer)
        for depth in range(60)
    ]
    (tmp_path / "keras_metadata.pb").write_bytes(b"".join(field(1, n) for n in nodes))
    with pytest.raises(UnreadableModelError, match="deeper than 40 levels"):
        read(str(tmp_path))
    (tmp_path / "keras_metadata.pb").write_bytes(b"".join(field(1, n) for n in nodes[:3]))
    assert [layer.path for layer in read(str(tmp_path)).layers] == ["m", "m/m"]
