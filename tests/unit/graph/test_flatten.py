"""Functions inlined and control flow lowered, on graphs small enough to read."""

from __future__ import annotations

import pytest
from raw_graphs import function, graph, node

from opcheck.errors import WorkerError
from opcheck.graph import ARGUMENT, Edge
from opcheck.graph.flatten import _MOST
from opcheck.graph.raw import RawFunction


def ids(flat) -> dict[str, str]:
    return {op.id: op.op_type for op in flat.ops}


def data_edges(flat) -> set[tuple[str, str]]:
    return {(e.src, e.dst) for e in flat.edges if e.src_output >= 0}


BODY = function(
    "body",
    node("a", "Placeholder"),
    node("Relu", "Relu", "a:0"),
    results=("Relu:0",),
)


def test_a_call_dissolves_into_its_body() -> None:
    main = function(
        "main",
        node("x", "Placeholder"),
        node("Tanh", "Tanh", "x:0"),
        node("call", "PartitionedCall", "Tanh:0", functions=(("f", ("body",)),)),
        node("AddV2", "AddV2", "call:0", "Tanh:0"),
        results=("AddV2:0",),
    )
    flat = graph(main, BODY)
    assert ids(flat) == {"Tanh": "Tanh", "call/Relu": "Relu", "AddV2": "AddV2"}
    assert flat.by_id["call/Relu"].function == "body"
    assert data_edges(flat) == {
        (f"{ARGUMENT}x", "Tanh"),
        ("Tanh", "call/Relu"),
        ("call/Relu", "AddV2"),
        ("Tanh", "AddV2"),
    }


def test_each_call_is_an_instance_of_its_own() -> None:
    main = function(
        "main",
        node("x", "Placeholder"),
        node("one", "PartitionedCall", "x:0", functions=(("f", ("body",)),)),
        node("two", "PartitionedCall", "one:0", functions=(("f", ("body",)),)),
        results=("two:0",),
    )
    flat = graph(main, BODY)
    assert list(ids(flat)) == ["one/Relu", "two/Relu"]
    assert data_edges(flat) == {(f"{ARGUMENT}x", "one/Relu"), ("one/Relu", "two/Relu")}


def test_a_loop_feeds_itself() -> None:
    cond = function(
        "cond", node("a", "Placeholder"), node("Less", "Less", "a:0"), results=("Less:0",)
    )
    main = function(
        "main",
        node("x", "Placeholder"),
        node("Exp", "Exp", "x:0"),
        node("while", "While", "Exp:0", functions=(("body", ("body",)), ("cond", ("cond",)))),
        node("Tanh", "Tanh", "while:0"),
        results=("Tanh:0",),
    )
    flat = graph(main, BODY, cond)
    assert set(ids(flat)) == {"Exp", "while/cond/Less", "while/body/Relu", "Tanh"}
    assert data_edges(flat) == {
        (f"{ARGUMENT}x", "Exp"),
        ("Exp", "while/cond/Less"),
        ("while/body/Relu", "while/cond/Less"),
        ("Exp", "while/body/Relu"),
        ("while/body/Relu", "while/body/Relu"),
        ("while/body/Relu", "Tanh"),
        ("Exp", "Tanh"),
    }


def test_both_branches_are_walked_and_merged() -> None:
    other = function(
        "other", node("a", "Placeholder"), node("Exp", "Exp", "a:0"), results=("Exp:0",)
    )
    main = function(
        "main",
        node("p", "Placeholder"),
        node("x", "Placeholder"),
        node(
            "if",
            "StatelessIf",
            "p:0",
            "x:0",
            functions=(("then_branch", ("body",)), ("else_branch", ("other",))),
        ),
        node("Tanh", "Tanh", "if:0"),
        results=("Tanh:0",),
    )
    flat = graph(main, BODY, other)
    assert set(ids(flat)) == {"if/then/Relu", "if/else/Exp", "Tanh"}
    assert {("if/then/Relu", "Tanh"), ("if/else/Exp", "Tanh")} <= data_edges(flat)


def test_the_implementation_for_the_device_is_chosen_and_placed_on_its_own() -> None:
    api = {"api_implements": "lstm", "api_part": "inference"}
    plain = function(
        "plain",
        node("a", "Placeholder"),
        node("Exp", "Exp", "a:0"),
        results=("Exp:0",),
        api_preferred_device="CPU",
        **api,
    )
    fused = function(
        "fused",
        node("a", "Placeholder"),
        node("CudnnRNN", "CudnnRNN", "a:0"),
        results=("CudnnRNN:0",),
        api_preferred_device="GPU",
        **api,
    )
    main = function(
        "main",
        node("x", "Placeholder"),
        node("lstm", "PartitionedCall", "x:0", functions=(("f", ("plain",)),)),
        results=("lstm:0",),
    )
    assert ids(graph(main, plain, fused)) == {"lstm/CudnnRNN": "CudnnRNN"}
    on_cpu = graph(main, plain, fused, device_type="CPU")
    assert ids(on_cpu) == {"lstm/Exp": "Exp"}
    assert on_cpu.ops[0].placed_as == "Exp"
    assert on_cpu.arguments == {"a"}


def test_an_xla_call_stays_one_op() -> None:
    main = function(
        "main",
        node("x", "Placeholder"),
        node(
            "call",
            "PartitionedCall",
            "x:0",
            functions=(("f", ("body",)),),
            attrs=(("_XlaMustCompile", True),),
        ),
        results=("call:0",),
    )
    assert ids(graph(main, BODY)) == {"call": "PartitionedCall"}


def test_what_nothing_needs_is_not_live() -> None:
    main = function(
        "main",
        node("x", "Placeholder"),
        node("Used", "Relu", "x:0"),
        node("Dead", "Relu", "x:0"),
        node("Update", "AssignVariableOp", "x:0", outputs=0),
        results=("Used:0",),
        control_results=("Update",),
    )
    assert {op.id: op.live for op in graph(main).ops} == {
        "Used": True,
        "Dead": False,
        "Update": True,
    }


def test_inputs_are_named_as_the_op_names_them() -> None:
    main = function(
        "main",
        node("x", "Placeholder"),
        node("pack", "Pack", "x:0", "x:0", attrs=(("N", 2),)),
        results=("pack:0",),
    )
    (pack,) = graph(main).ops
    assert [spec.name for spec in pack.inputs] == ["values[0]", "values[1]"]
    assert graph(main).edges == (
        Edge(f"{ARGUMENT}x", 0, "pack", 0),
        Edge(f"{ARGUMENT}x", 0, "pack", 1),
    )
    endless = node("pack", "Pack", "x:0", "x:0", attrs=(("N", 2**62),))
    main = function("main", node("x", "Placeholder"), endless, results=("pack:0",))
    assert [spec.name for spec in graph(main).ops[0].inputs] == ["tensor[0]", "tensor[1]"]


def test_what_is_not_walked_is_said() -> None:
    main = function(
        "main",
        node("x", "Placeholder"),
        node("map", "MapDefun", "x:0", functions=(("f", ("body",)),)),
        node("lost", "PartitionedCall", "x:0", functions=(("f", ("nowhere",)),)),
        results=("map:0", "lost:0"),
    )
    flat = graph(main, BODY)
    assert flat.notes == (
        "MapDefun map runs body itself; it was not walked.",
        "PartitionedCall lost: function nowhere is not in the graph.",
    )
    assert set(ids(flat)) == {"map", "lost"}


def test_recursion_ends() -> None:
    endless = function(
        "endless",
        node("a", "Placeholder"),
        node("again", "PartitionedCall", "a:0", functions=(("f", ("endless",)),)),
        results=("again:0",),
    )
    main = function(
        "main",
        node("x", "Placeholder"),
        node("call", "PartitionedCall", "x:0", functions=(("f", ("endless",)),)),
        results=("call:0",),
    )
    flat = graph(main, endless)
    assert flat.notes == ("PartitionedCall again recurses; it was not walked.",)


def chain(name: str, called: str, calls: int, *, each_read: bool = False) -> RawFunction:
    """A function that calls another on its own result, so many times."""
    before = ["a:0", *(f"call{i}:0" for i in range(calls))]
    nodes = [
        node(f"call{i}", "PartitionedCall", before[i], functions=(("f", (called,)),))
        for i in range(calls)
    ]
    readers = [node(f"Relu{i}", "Relu", ref) for i, ref in enumerate(before) if each_read]
    return function(name, node("a", "Placeholder"), *nodes, *readers, results=(before[-1],))


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        (
            [chain(f"f{i}", f"f{i + 1}" if i < 14 else "body", 2) for i in range(15)],
            "more than 2000 ops in a step, its functions counted as often as they are called",
        ),
        ([chain(f"f{i}", f"f{i + 1}", 1) for i in range(250)], "more than 200 levels deep"),
        (
            [
                chain("main", "as_it_is", 150, each_read=True),
                function("as_it_is", node("a", "Placeholder"), results=("a:0",)),
            ],
            "more than 10000 edges in a step",
        ),
    ],
    ids=["doubling", "deep", "far"],
)
def test_a_small_answer_with_a_large_graph_is_refused(
    functions: list[RawFunction], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_MOST, "ops", 2000)
    monkeypatch.setitem(_MOST, "edges", 10_000)
    with pytest.raises(WorkerError, match=message):
        graph(*functions, BODY)


def test_the_network_has_every_op_and_edge() -> None:
    main = function(
        "main",
        node("x", "Placeholder"),
        node("A", "Relu", "x:0"),
        node("B", "AddV2", "A:0", "A:0"),
        results=("B:0",),
    )
    network = graph(main).network
    assert set(network.nodes) == {f"{ARGUMENT}x", "A", "B"}
    assert network.number_of_edges("A", "B") == 2
