"""Copies, partitions and sums of a step, on graphs small enough to count by hand."""

from __future__ import annotations

from types import MappingProxyType

import pytest
import raw_graphs as raws

from opcheck.cost import StepCost, StepCosts, assess
from opcheck.graph import ARGUMENT, Edge, ModelGraph, OpNode, TensorSpec
from opcheck.placement import Placement, Reason, Verdict

REASON = Reason("kernel", "")
BYTES = 4 * 64


def op(name: str, *, inputs: int = 1, dtype: str = "float32", **more: object) -> OpNode:
    tensor = TensorSpec("x", dtype, (64,))
    return OpNode(name, "Relu", None, "forward", (tensor,) * inputs, (tensor,), **more)  # type: ignore[arg-type]


def on(name: str, verdict: Verdict, host_memory: tuple[str, ...] = ()) -> Placement:
    return Placement(name, verdict, "predicted", REASON, host_memory)


def costs(
    where: dict[str, str],
    *edges: tuple[str, str],
    ops: tuple[OpNode, ...] = (),
    host_memory: dict[str, tuple[str, ...]] | None = None,
    trips: dict[str, int] | None = None,
) -> StepCosts:
    given = {node.id: node for node in ops}
    nodes = tuple(given.get(name, op(name)) for name in where)
    placements = tuple(
        on(name, verdict, (host_memory or {}).get(name, ()))  # type: ignore[arg-type]
        for name, verdict in where.items()
    )
    graph = ModelGraph(
        "step",
        (),
        nodes,
        tuple(Edge(a, 0, b, 0) for a, b in edges),
        MappingProxyType({}),
        trips=MappingProxyType(trips or {}),
    )
    return assess(graph, placements, batch=2)


def step(where: dict[str, str], *edges: tuple[str, str], **more: object) -> StepCost:
    return costs(where, *edges, **more).step  # type: ignore[arg-type]


GPU, CPU, PINNED = "accelerator", "cpu", "host-pinned"


def test_one_fallback_between_two_is_copied_in_and_out() -> None:
    found = costs({"a": GPU, "b": CPU, "c": GPU}, ("a", "b"), ("b", "c"))
    assert (found.step.crossings, found.step.crossing_bytes) == (2, 2 * BYTES)
    assert (found.step.partitions, found.step.turns) == (3, 3)
    assert [(cost.crossings, cost.crossing_bytes) for cost in found.ops] == [
        (1, BYTES),
        (2, 2 * BYTES),
        (1, BYTES),
    ]


def test_a_tensor_is_copied_once_for_all_its_readers() -> None:
    where = {"a": GPU, "b": CPU, "c": CPU, "d": GPU}
    assert step(where, ("a", "b"), ("a", "c"), ("a", "d")).crossings == 1


def test_what_a_kernel_leaves_in_host_memory_is_not_copied_to_the_cpu() -> None:
    shape = OpNode(
        "a",
        "Shape",
        None,
        "forward",
        (TensorSpec("input", "float32", (64,)),),
        (TensorSpec("output", "int32", (1,)),),
    )
    memory = {"a": ("output",)}
    assert step({"a": GPU, "b": CPU}, ("a", "b"), ops=(shape,), host_memory=memory).crossings == 0
    # but another op on the accelerator that wants it in device memory has it copied
    assert step({"a": GPU, "b": GPU}, ("a", "b"), ops=(shape,), host_memory=memory).crossings == 1


def test_a_host_pinned_op_is_copied_to_though_no_device_changes() -> None:
    found = step(
        {"a": GPU, "b": PINNED, "c": GPU}, ("a", "b"), ("b", "c"), host_memory={"b": ("x",)}
    )
    assert (found.crossings, found.partitions) == (2, 3)


def test_handles_and_strings_stay_on_the_host() -> None:
    for dtype in ("resource", "string"):
        nodes = (op("a", dtype=dtype), op("b", dtype=dtype))
        assert step({"a": GPU, "b": CPU}, ("a", "b"), ops=nodes).crossings == 0


HANDLE = TensorSpec("input_handle", "variant", ())
ITEM = TensorSpec("tensor", "float32", (64,))


def a_list(name: str, op_type: str, inputs: tuple[TensorSpec, ...], **more: object) -> OpNode:
    return OpNode(name, op_type, None, "forward", inputs, (HANDLE,), **more)  # type: ignore[arg-type]


def test_a_list_is_copied_with_all_that_is_in_it() -> None:
    nodes = (
        a_list("from", "TensorListFromTensor", (ITEM,)),
        a_list("set", "TensorListSetItem", (HANDLE,)),
    )
    found = step({"x": GPU, "from": GPU, "set": CPU}, ("x", "from"), ("from", "set"), ops=nodes)
    assert (found.crossings, found.crossing_bytes, found.unknown_crossings) == (1, BYTES, 0)


def test_what_a_loop_puts_into_a_list_is_counted_as_often() -> None:
    inside = a_list("push", "TensorListPushBack", (HANDLE, ITEM), loops=("loop",))
    nodes = (a_list("made", "EmptyTensorList", ()), inside)
    where = {"made": CPU, "x": GPU, "push": GPU}
    found = costs(where, ("made", "push"), ops=nodes, trips={"loop": 5}).step
    assert (found.crossings, found.crossing_bytes) == (1, 5 * BYTES)
    found = costs(where, ("made", "push"), ops=nodes).step
    assert (found.crossing_bytes, found.unknown_crossings) == (0, 1)


def test_what_goes_round_a_loop_is_copied_in_every_round() -> None:
    """An op on the CPU in a body: what the rounds hand on is on the accelerator in between."""
    body = raws.function(
        "body", raws.node("a", "Placeholder"), raws.node("e", "Einsum", "a:0"), results=("e:0",)
    )
    cond = raws.function(
        "cond", raws.node("a", "Placeholder"), raws.node("l", "Less", "a:0"), results=("l:0",)
    )
    parts = (("body", ("body",)), ("cond", ("cond",)))
    main = raws.function(
        "main",
        raws.node("x", "Placeholder"),
        raws.node("r", "Relu", "x:0"),
        raws.node("loop", "While", "r:0", functions=parts, trips=7),
        raws.node("t", "Tanh", "loop:0"),
        results=("t:0",),
    )
    graph = raws.graph(main, body, cond, shape=(64,))
    ops = [on(op.id, CPU if op.op_type == "Einsum" else GPU) for op in graph.ops]
    beside = "Func/loop/body/output/0"  # colocated with Einsum
    added = [on(n.id, CPU if n.id == beside else GPU) for n in graph.added]
    found = assess(graph, ops, added, batch=2)
    assert (found.step.crossings, found.step.crossing_bytes) == (14, 14 * BYTES)
    by_op = {op.id: cost.crossings for op, cost in zip(graph.ops, found.ops, strict=True)}
    # In to Einsum, what Relu or the last round left; out, for the next round, Less and Tanh.
    assert by_op == {"r": 7, "loop/body/e": 14, "loop/cond/l": 7, "t": 7}
    # Without the nodes between, a tensor would pass as it is.
    assert assess(graph, ops, batch=2).step.crossings < 14


def test_arguments_are_where_eager_tensorflow_puts_them() -> None:
    where = {"a": CPU, "b": GPU}
    edges = ((f"{ARGUMENT}x", "a"), (f"{ARGUMENT}x", "b"))
    assert step(where, *edges).crossings == 1  # to the CPU
    ints = (op("a", dtype="int32"), op("b", dtype="int32"))
    assert step(where, *edges, ops=ints).crossings == 1  # to the accelerator


def test_an_op_that_does_not_run_copies_nothing() -> None:
    found = step({"a": GPU, "b": CPU}, ("a", "b"), ops=(op("b", live=False),))
    assert (found.crossings, found.partitions, found.flops) == (0, 1, 64)


def test_an_unknown_place_is_left_out() -> None:
    found = step({"a": GPU, "b": "unknown", "c": CPU}, ("a", "b"), ("b", "c"))
    assert (found.crossings, found.flops, found.flops_accelerator) == (0, 192, 64)


def test_a_loop_counts_as_often_as_it_runs() -> None:
    inside = (op("l/b", loops=("l",)), op("l/c", loops=("l",)))
    where = {"a": GPU, "l/b": CPU, "l/c": GPU}
    found = step(where, ("a", "l/b"), ("l/b", "l/c"), ops=inside, trips={"l": 10})
    assert found.flops == 64 + 2 * 640
    # what comes in is copied once, what goes from one op to the other in every round
    assert found.crossings == 1 + 10
    unknown = step(where, ("a", "l/b"), ("l/b", "l/c"), ops=inside)
    assert (unknown.flops, unknown.unknown_loops) == (192, 2)


def test_shares_are_not_rounded() -> None:
    found = step({"a": GPU, "b": CPU})
    assert (found.flops_share, found.bytes_share) == (0.5, 0.5)
    assert step({}).flops_share is None


@pytest.mark.parametrize(
    ("where", "edges", "expected"),
    [
        ({}, (), (0, 0)),
        ({"a": GPU, "b": GPU}, (("a", "b"),), (1, 1)),
        ({"a": GPU, "b": GPU}, (), (2, 1)),  # nothing connects them
        # the CPU's part can run first: the accelerator's is one
        ({"a": GPU, "b": CPU, "c": GPU}, (("a", "c"), ("b", "c")), (2, 2)),
        # a -> b -> c: c waits for the CPU, which waits for a
        ({"a": GPU, "b": CPU, "c": GPU}, (("a", "b"), ("b", "c"), ("a", "c")), (3, 3)),
        # a constant is no partition of its own when its reader can have it later
        ({"k": GPU, "a": GPU, "b": CPU, "c": GPU}, (("a", "b"), ("b", "c"), ("k", "c")), (3, 3)),
        ({"a": CPU, "b": GPU}, (("a", "b"), ("b", "a")), (2, 2)),  # a circle
    ],
)
def test_partitions(
    where: dict[str, str], edges: tuple[tuple[str, str], ...], expected: tuple[int, int]
) -> None:
    found = step(where, *edges)
    assert (found.partitions, found.turns) == expected


def test_the_most_expensive_come_first_and_are_ten() -> None:
    ops = tuple(
        OpNode(
            f"a{i}",
            "Relu",
            None,
            "forward",
            (TensorSpec("x", "float32", (i + 1,)),),
            (TensorSpec("y", "float32", (i + 1,)),),
        )
        for i in range(12)
    )
    found = step({f"a{i}": CPU for i in range(12)}, ops=ops).most_expensive
    assert [each.name for each in found] == [f"a{i}" for i in range(11, 1, -1)]
