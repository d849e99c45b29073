"""The graph of the layers."""

from __future__ import annotations

from types import MappingProxyType

from opcheck.cost import LayerFlow, assess
from opcheck.graph import Edge, ModelGraph, OpNode, TensorSpec
from opcheck.placement import Placement, Reason

TENSOR = TensorSpec("x", "float32", (2, 8))  # 64 bytes


def flows(ops: dict[str, tuple[str | None, str, str]], edges: str) -> tuple[LayerFlow, ...]:
    """``ops``: name -> layer, role, verdict. ``edges``: ``a>b b>c``; every op has one output."""
    nodes = tuple(
        OpNode(name, "Op", layer, role, (TENSOR,), (TENSOR,))
        for name, (layer, role, _) in ops.items()
    )
    pairs = [edge.split(">") for edge in edges.split()]
    graph = ModelGraph(
        "step", (), nodes, tuple(Edge(a, 0, b, 0) for a, b in pairs), MappingProxyType({})
    )
    placements = [
        Placement(name, verdict, "predicted", Reason("r", "r"))
        for name, (_, _, verdict) in ops.items()
    ]
    return assess(graph, placements, batch=2).flows


def flow(source: str | None, target: str | None, *, data: bool, crossings: int = 0) -> LayerFlow:
    return LayerFlow(
        source=source,
        target=target,
        data=data,
        crossings=crossings,
        crossing_bytes=64 * crossings,
    )


GPU, CPU = "accelerator", "cpu"


def test_data_flows_through_ops_of_no_layer() -> None:
    found = flows(
        {
            "a": ("A", "forward", GPU),
            "glue": (None, "forward", GPU),
            "more": (None, "forward", GPU),
            "b": ("B", "forward", GPU),
        },
        "a>glue glue>more more>glue more>b",
    )
    assert found == (flow("A", "B", data=True),)


def test_the_backward_pass_makes_no_data_flow() -> None:
    ops = {
        "a": ("A", "forward", GPU),
        "b": ("B", "forward", GPU),
        "db": ("B", "backward", GPU),
        "da": ("A", "backward", GPU),
    }
    assert flows(ops, "a>b b>db db>da") == (flow("A", "B", data=True),)


def test_copies_are_counted_for_each_layer_that_reads_them() -> None:
    ops = {
        "a": ("A", "forward", GPU),
        "b": ("B", "forward", CPU),
        "b2": ("B", "forward", CPU),
        "c": ("C", "backward", CPU),
        "own": ("B", "forward", GPU),
    }
    assert set(flows(ops, "a>b a>b2 a>c b>own")) == {
        flow("A", "B", data=True, crossings=1),
        flow("A", "C", data=False, crossings=1),
        flow("B", "B", data=False, crossings=1),
    }
