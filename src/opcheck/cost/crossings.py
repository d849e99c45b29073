"""Copies between host and device memory in one step, as TensorFlow's partitioner makes them.

Source: tensorflow/core/graph/graph_partition.cc and framework/memory_types.cc. A tensor is copied
once to each device and memory that wants it, whoever wants it there. On the CPU everything is in
host memory; on the accelerator only what the kernel says, and handles and strings. So a tensor that
a kernel on the accelerator leaves in host memory goes to the CPU without a copy, and one that a
host-pinned op reads is copied though no device changes. What TensorFlow adds to loops and branches
takes part (`opcheck.graph.lowering`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from opcheck.cost.lists import list_bytes
from opcheck.cost.sizes import size
from opcheck.graph import ARGUMENT, ARGUMENTS_ON_HOST, Edge, ModelGraph, OpNode, TensorSpec
from opcheck.placement.types import Placement

Memory = Literal["host", "device"]
# types.cc: DataTypeAlwaysOnHost. A variant is not: a list is copied with all that is in it.
_ALWAYS_ON_HOST = frozenset({"string", "resource"})
_DECIDES = {"Switch": 1, "_SwitchN": 1}  # the input that says which way, and goes no way itself


class Crossing(NamedTuple):
    """Output ``output`` of ``source`` (a node, or an argument) copied to ``to`` for ``readers``.

    ``makers`` are the ops, or the argument, whose numbers these are, and ``users`` the ops that
    work on them: where TensorFlow's own nodes stand between, not those.
    """

    source: str
    output: int
    to: Memory
    bytes: int | None
    readers: list[str]
    makers: tuple[str, ...]
    users: list[str]


def crossings(
    graph: ModelGraph, placements: Sequence[Placement], added: Sequence[Placement] = ()
) -> list[Crossing]:
    """Each copy of one round of the step. ``placements`` are those of ``graph.ops``, in order, and
    ``added`` those of ``graph.added``; without these, tensors pass through them where they are.

    Edges at ops of unknown place, and at ops that do not run, are left out.
    """
    nodes = [*zip(graph.ops, placements, strict=True)]
    if added:
        nodes += zip(graph.added, added, strict=True)
    where = {
        op.id: placement
        for op, placement in nodes
        if op.live and placement.verdict not in ("unknown", "fails")
    }
    edges = graph.data if added else [edge for edge in graph.edges if edge.src_output >= 0]
    through = _Through(graph, edges) if added else None
    lists = list_bytes(graph)
    found: dict[tuple[str, int, bool, Memory], Crossing] = {}
    for edge in edges:
        if edge.dst not in where or not (edge.src in where or edge.src.startswith(ARGUMENT)):
            continue
        reader = graph.nodes[edge.dst]
        tensor = _tensor(graph, edge, reader)
        if tensor.dtype.removesuffix("_ref") in _ALWAYS_ON_HOST:
            continue
        to = _memory(where[reader.id], reader.inputs[edge.dst_input].name)
        if edge.src in where:
            source = graph.nodes[edge.src]
            leaves = _memory(where[source.id], source.outputs[edge.src_output].name)
        else:
            leaves = "host" if tensor.dtype in ARGUMENTS_ON_HOST else "device"
        if leaves == to:
            continue
        key = (edge.src, edge.src_output, where[reader.id].verdict == "cpu", to)
        if key not in found:
            count = lists.get(edge.src) if tensor.dtype == "variant" else size(tensor)
            makers = through.makers(edge.src) if through else (edge.src,)
            found[key] = Crossing(edge.src, edge.src_output, to, count, [], makers, [])
        found[key].readers.append(reader.id)
        found[key].users.extend(through.users(edge) if through else (reader.id,))
    return list(found.values())


class _Through:
    """Looks through the nodes that TensorFlow adds."""

    def __init__(self, graph: ModelGraph, edges: Iterable[Edge]) -> None:
        self._added = {node.id: node for node in graph.added}
        self._into: dict[str, list[str]] = {}
        self._out_of: dict[str, list[Edge]] = {}
        for edge in edges:
            if edge.dst in self._added and not self._decides(edge):
                self._into.setdefault(edge.dst, []).append(edge.src)
            if edge.src in self._added:
                self._out_of.setdefault(edge.src, []).append(edge)

    def makers(self, node: str) -> tuple[str, ...]:
        seen, todo = {node}, [node]
        found: dict[str, None] = {}
        while todo:
            here = todo.pop()
            if here not in self._added:
                found[here] = None
                continue
            todo += (before := [n for n in self._into.get(here, ()) if n not in seen])
            seen.update(before)
        return tuple(found)

    def users(self, edge: Edge) -> tuple[str, ...]:
        """Nobody, where it only decides which way others go."""
        seen, todo = {edge.dst}, [edge]
        found: dict[str, None] = {}
        while todo:
            here = todo.pop()
            if here.dst not in self._added:
                found[here.dst] = None
            elif not self._decides(here):
                following = [e for e in self._out_of.get(here.dst, ()) if e.dst not in seen]
                todo += following
                seen.update(e.dst for e in following)
        return tuple(found)

    def _decides(self, edge: Edge) -> bool:
        return edge.dst_input == _DECIDES.get(self._added[edge.dst].op_type)


def _tensor(graph: ModelGraph, edge: Edge, reader: OpNode) -> TensorSpec:
    """The tensor on the edge, as its producer describes it."""
    if edge.src.startswith(ARGUMENT):
        return reader.inputs[edge.dst_input]
    return graph.nodes[edge.src].outputs[edge.src_output]


def _memory(placement: Placement, argument: str) -> Memory:
    if placement.verdict == "cpu" or argument.partition("[")[0] in placement.host_memory:
        return "host"
    return "device"
