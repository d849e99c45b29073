"""Backward and optimizer ops find the layer they serve."""

from __future__ import annotations

from opcheck.graph import ARGUMENT, Edge, LayerNode, OpNode, TensorSpec
from opcheck.graph.attribution import attribute

FLOAT = TensorSpec("x", "float32", (2,))


def op(name: str, role: str, layer: str | None = None, op_type: str = "Mul") -> OpNode:
    return OpNode(name, op_type, layer, role, (FLOAT,), (FLOAT,))  # type: ignore[arg-type]


def layers_of(ops: list[OpNode], edges: list[tuple[str, str]]) -> dict[str, str | None]:
    found = attribute(ops, [Edge(a, 0, b, 0) for a, b in edges], ())
    return {o.id: o.layer_path for o in found}


def test_a_gradient_op_belongs_to_the_scope_it_differentiates() -> None:
    ops = [
        op("model/dense/MatMul", "forward", "dense"),
        op("model/dense_1/MatMul", "forward", "dense_1"),
        op("gradient_tape/model/dense_1/MatMul/MatMul_1", "backward"),
    ]
    assert layers_of(ops, [])["gradient_tape/model/dense_1/MatMul/MatMul_1"] == "dense_1"


def test_a_shared_layer_keeps_both_of_its_scopes() -> None:
    ops = [
        op("model/dense/MatMul", "forward", "dense"),
        op("model/dense_1/MatMul", "forward", "dense"),  # the second call of the same layer
        op("gradient_tape/model/dense_1/MatMul", "backward"),
    ]
    assert layers_of(ops, [])["gradient_tape/model/dense_1/MatMul"] == "dense"


def test_loop_gradients_find_their_scope_inside_the_name() -> None:
    ops = [
        op("m/lstm/while/body/cell/mul", "forward", "lstm"),
        op("g/m/lstm/while_grad/body/gradients/m/lstm/while/body/cell/mul_grad/Mul", "backward"),
    ]
    assert layers_of(ops, [])[ops[1].id] == "lstm"


def test_an_update_serves_the_layer_of_its_gradient() -> None:
    ops = [
        op("m/dense/MatMul", "forward", "dense"),
        op("gradient_tape/m/dense/MatMul", "backward"),
        op("adam/Mul", "optimizer"),
        op("adam/AssignAdd", "optimizer"),
        op("adam/Read", "optimizer"),
    ]
    edges = [
        ("gradient_tape/m/dense/MatMul", "adam/Mul"),
        ("adam/Mul", "adam/AssignAdd"),
        (f"{ARGUMENT}momentum", "adam/AssignAdd"),
        (f"{ARGUMENT}momentum", "adam/Read"),  # reads the slot back: no data links it
    ]
    found = layers_of(ops, edges)
    assert found["adam/Mul"] == found["adam/AssignAdd"] == found["adam/Read"] == "dense"


def test_what_serves_all_layers_serves_none() -> None:
    ops = [
        op("m/a/MatMul", "forward", "a"),
        op("m/b/MatMul", "forward", "b"),
        op("gradient_tape/m/a/MatMul", "backward"),
        op("gradient_tape/m/b/MatMul", "backward"),
        op("adam/GlobalNorm", "optimizer"),
    ]
    edges = [(f"gradient_tape/m/{x}/MatMul", "adam/GlobalNorm") for x in "ab"]
    assert layers_of(ops, edges)["adam/GlobalNorm"] is None


def test_gradients_pass_through_the_bundle_one_by_one() -> None:
    ops = [
        op("m/a/MatMul", "forward", "a"),
        op("m/b/MatMul", "forward", "b"),
        op("gradient_tape/m/a/MatMul", "backward"),
        op("gradient_tape/m/b/MatMul", "backward"),
        op("adam/IdentityN", "optimizer", op_type="IdentityN"),
        op("adam/update_b", "optimizer"),
    ]
    edges = [
        Edge("gradient_tape/m/a/MatMul", 0, "adam/IdentityN", 0),
        Edge("gradient_tape/m/b/MatMul", 0, "adam/IdentityN", 1),
        Edge("adam/IdentityN", 1, "adam/update_b", 0),
    ]
    found = {o.id: o.layer_path for o in attribute(ops, edges, ())}
    assert found["adam/update_b"] == "b"
    assert found["adam/IdentityN"] is None


def test_a_savedmodel_has_only_names() -> None:
    layers = tuple(LayerNode(p, "Dense", None, "builtin") for p in ("block", "block/dense"))
    found = attribute([op("net/block/dense/MatMul", "forward")], [], layers)
    assert found[0].layer_path == "block/dense"
