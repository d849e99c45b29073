"""What TensorFlow's partitioner moves after the placer: the nodes of control flow.

Source: tensorflow/core/graph/graph_partition.cc, OptimizeControlFlowColocation. A Switch goes to
where its data comes from, an Exit to its Switch, an Enter and a NextIteration to where they lead.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from opcheck.graph import ARGUMENT, ARGUMENTS_ON_HOST, Edge, ModelGraph, OpNode
from opcheck.placement.placer import CPU, Assignment
from opcheck.targets import Target

_FROM = frozenset({"Exit", "Switch", "_SwitchN"})
_TO = frozenset({"Enter", "NextIteration"})


def partitioned(
    graph: ModelGraph, target: Target, assigned: Mapping[str, Assignment]
) -> Mapping[str, Assignment]:
    """Where the nodes that TensorFlow adds really are, by id; ``assigned`` is what the placer
    said of all nodes."""
    into: dict[str, Edge] = {}
    out_of: dict[str, Edge] = {}
    for edge in graph.data if graph.added else ():
        if edge.dst_input == 0:
            into.setdefault(edge.dst, edge)
        out_of.setdefault(edge.src, edge)
    found: dict[str, Assignment] = {}
    for node in graph.added:
        device = assigned[node.id].device
        if node.op_type in _TO and node.id in out_of:
            device = assigned[out_of[node.id].dst].device
        elif node.op_type in _FROM:  # its source may have been moved before it
            device = _source(node, into, found, assigned, target)
        found[node.id] = _at(node, device, assigned[node.id], target)
    return found


def _source(
    node: OpNode,
    into: Mapping[str, Edge],
    found: Mapping[str, Assignment],
    assigned: Mapping[str, Assignment],
    target: Target,
) -> str | None:
    source = into[node.id].src
    if source.startswith(ARGUMENT):
        return CPU if node.inputs[0].dtype in ARGUMENTS_ON_HOST else target.device_type
    return (found.get(source) or assigned[source]).device


def _at(node: OpNode, device: str | None, was: Assignment, target: Target) -> Assignment:
    if device is None or device == was.device:
        return was
    kernel = target.registry.match(node.op_type, device, dict(node.dtypes))
    return was if kernel is None else msgspec.structs.replace(was, device=device, kernel=kernel)
