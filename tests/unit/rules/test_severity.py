"""docs/policy.md, line by line."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from opcheck.cost import assess
from opcheck.graph import Edge, ModelGraph, OpNode, TensorSpec
from opcheck.graph.types import Shape
from opcheck.placement import Placement, Reason, Verdict
from opcheck.rules import severities
from opcheck.rules.severity import is_small

BIG = 10**9


def op(name: str, op_type: str, shape: Shape, dtype: str = "float32", **more: object) -> OpNode:
    tensor = TensorSpec("x", dtype, shape)
    return OpNode(name, op_type, None, "forward", (tensor,), (tensor,), (("T", dtype),), (), **more)  # type: ignore[arg-type]


def judge(
    *ops: OpNode,
    verdict: Verdict = "cpu",
    reason: str = "no-kernel",
    rest: int = 0,
    edges: tuple[Edge, ...] = (),
    trips: dict[str, int] | None = None,
) -> list[str | None]:
    """``rest`` elements are worked on elsewhere, on the accelerator."""
    nodes = (*ops, op("rest", "Relu", (rest,)))
    placements = tuple(Placement(o.id, verdict, "predicted", Reason(reason, "")) for o in ops)
    placements += (Placement("rest", "accelerator", "predicted", Reason("kernel", "")),)
    graph = ModelGraph(
        "step", (), nodes, edges, MappingProxyType({}), trips=MappingProxyType(trips or {})
    )
    return list(severities(nodes, placements, assess(graph, placements, batch=2)))[:-1]


@pytest.mark.parametrize(
    ("verdict", "reason", "expected"),
    [
        ("accelerator", "kernel", None),
        ("fails", "no-xla", "error"),
        ("unknown", "opaque", "warning"),
        ("cpu", "placer-heuristic", "note"),
    ],
)
def test_what_cost_does_not_decide(verdict: Verdict, reason: str, expected: str | None) -> None:
    assert judge(op("a", "Elu", (1000, 1000)), verdict=verdict, reason=reason) == [expected]


@pytest.mark.parametrize(
    ("rest", "expected"),
    [(0, "error"), (99_000, "error"), (101_000, "warning"), (999_000, "warning"), (BIG, "note")],
)
def test_the_share_decides(rest: int, expected: str) -> None:
    assert judge(op("a", "Elu", (1000,)), rest=rest) == [expected]


def test_ops_of_a_kind_are_judged_together() -> None:
    one = [op(f"a{i}", "Elu", (1000,)) for i in range(12)]
    other = op("b", "Selu", (1000,))
    assert judge(*one, other, rest=900_000) == ["error"] * 12 + ["warning"]


def test_a_small_op_is_a_note_in_a_small_model() -> None:
    assert judge(op("a", "AddV2", (), "int64"), op("b", "Elu", (32,))) == ["note", "note"]


def test_index_arithmetic_is_no_error() -> None:
    assert judge(op("a", "SelectV2", (2, 320), "int32")) == ["warning"]
    assert judge(op("a", "SelectV2", (2, 320), "int32"), rest=BIG) == ["note"]


def test_a_big_copy_is_an_error_whatever_the_rest_costs() -> None:
    edges = (Edge("rest", 0, "a", 0),)
    assert judge(op("a", "Elu", (2,)), rest=2**18, edges=edges) == ["note"]  # it is small itself
    assert judge(op("a", "Elu", (64,)), rest=2**18, edges=edges) == ["error"]  # 1 MiB, copied
    assert judge(op("a", "Elu", (64,)), rest=2**17, edges=edges) == ["error"]  # half of all bytes


def test_many_copies_in_a_loop_are_a_warning() -> None:
    inside = op("loop/a", "Elu", (4,), loops=("loop",))
    feeding = op("loop/b", "Relu", (4,), loops=("loop",))
    nodes = (inside, feeding)
    where = (
        Placement("loop/a", "cpu", "predicted", Reason("no-kernel", "")),
        Placement("loop/b", "accelerator", "predicted", Reason("kernel", "")),
    )
    for trips, expected in ((99, "note"), (100, "warning")):
        graph = ModelGraph(
            "step",
            (),
            nodes,
            (Edge("loop/b", 0, "loop/a", 0),),
            MappingProxyType({}),
            trips=MappingProxyType({"loop": trips}),
        )
        assert severities(nodes, where, assess(graph, where, batch=2))[0] == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (op("a", "Elu", None), "warning"),
        (op("a", "Elu", (None, 10)), "warning"),
        (op("a", "FromAnotherWorld", (64,)), "warning"),
        (op("a", "Elu", (64,), loops=("loop",)), "warning"),  # nobody knows how often
        (op("a", "SelectV2", (None,), "int32"), "note"),  # bookkeeping, whatever its size
        (op("a", "Elu", (64,)), "note"),
    ],
)
def test_unknown_cost_is_no_note(node: OpNode, expected: str) -> None:
    assert judge(node, rest=BIG) == [expected]


@pytest.mark.parametrize(
    ("shape", "small"),
    [((), True), ((32,), True), ((33,), False), ((0, 1000), True), ((None,), False), (None, False)],
)
def test_small(shape: Shape, small: bool) -> None:
    assert is_small(TensorSpec("x", "float32", shape)) is small


def test_a_handle_has_no_size() -> None:
    handle = TensorSpec("resource", "resource", None)
    node = OpNode("a", "VarHandleOp", None, "forward", (), (handle,))
    assert judge(node) == ["note"]
