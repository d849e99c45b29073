"""Copies between host and device memory in one step, as TensorFlow's partitioner makes them.

Source: tensorflow/core/graph/graph_partition.cc and framework/memory_types.cc. A tensor is copied
once to each device and memory that wants it, whoever wants it there. On the CPU everything is in
host memory; on the accelerator only what the kernel says, and handles and strings. So a tensor that
a kernel on the accelerator leaves in host memory goes to the CPU without a copy, and one that a
host-pinned op reads is copied though no device changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from opcheck.cost.sizes import HANDLES, size
from opcheck.graph import ARGUMENT, Edge, ModelGraph, OpNode, TensorSpec
from opcheck.placement.types import Placement

Memory = Literal["host", "device"]
_ALWAYS_ON_HOST = frozenset({"string", *HANDLES})
# Where eager TensorFlow keeps the arguments of a step (eager/placement_utils.cc).
_ARGUMENTS_ON_HOST = frozenset({"int32", *_ALWAYS_ON_HOST})


class Crossing(NamedTuple):
    """Output ``output`` of ``source`` (an op, or an argument) copied to ``to`` for ``readers``."""

    source: str
    output: int
    to: Memory
    bytes: int | None
    readers: list[str]


def crossings(graph: ModelGraph, placements: Sequence[Placement]) -> list[Crossing]:
    """Each copy of one round of the step. ``placements`` are those of ``graph.ops``, in order.

    Edges at ops of unknown place, and at ops that do not run, are left out.
    """
    where = {
        op.id: placement
        for op, placement in zip(graph.ops, placements, strict=True)
        if op.live and placement.verdict not in ("unknown", "fails")
    }
    found: dict[tuple[str, int, bool, Memory], Crossing] = {}
    for edge in _data(graph, where):
        reader = graph.by_id[edge.dst]
        tensor = _tensor(graph, edge, reader)
        if tensor.dtype.removesuffix("_ref") in _ALWAYS_ON_HOST:
            continue
        to = _memory(where[reader.id], reader.inputs[edge.dst_input].name)
        if edge.src in where:
            source = graph.by_id[edge.src]
            leaves = _memory(where[source.id], source.outputs[edge.src_output].name)
        else:
            leaves = "host" if tensor.dtype in _ARGUMENTS_ON_HOST else "device"
        if leaves == to:
            continue
        key = (edge.src, edge.src_output, where[reader.id].verdict == "cpu", to)
        if key not in found:
            found[key] = Crossing(edge.src, edge.src_output, to, size(tensor), [])
        found[key].readers.append(reader.id)
    return list(found.values())


def _data(graph: ModelGraph, where: Mapping[str, Placement]) -> Iterator[Edge]:
    for edge in graph.edges:
        known = edge.src in where or edge.src.startswith(ARGUMENT)
        if edge.src_output >= 0 and edge.dst in where and known:
            yield edge


def _tensor(graph: ModelGraph, edge: Edge, reader: OpNode) -> TensorSpec:
    """The tensor on the edge, as its producer describes it."""
    if edge.src.startswith(ARGUMENT):
        return reader.inputs[edge.dst_input]
    return graph.by_id[edge.src].outputs[edge.src_output]


def _memory(placement: Placement, argument: str) -> Memory:
    if placement.verdict == "cpu" or argument.partition("[")[0] in placement.host_memory:
        return "host"
    return "device"
