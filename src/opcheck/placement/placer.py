"""TensorFlow's placer, on a ModelGraph: which device each op is assigned with soft placement on.

Source: tensorflow/core/common_runtime/{placer,colocation_graph}.cc. Ops that share a resource or a
reference, and ops colocated by name, form a group; a group goes to the first device type that has a
kernel for all of its members. Two heuristics then move single ops: one that only looks at shapes
follows its input, and one without inputs follows its consumers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from opcheck.graph import ARGUMENT, ModelGraph, OpNode
from opcheck.targets import KernelDef, Target

CPU = "CPU"
_METADATA = frozenset({"Shape", "Size", "Rank"})  # graph.cc: NC_METADATA
_COLOCATION_ATTR = "_class"
_COLOCATION_PREFIX = "loc:@"


class Assignment(msgspec.Struct, frozen=True):
    """``device`` is the target's device type or ``CPU``, ``None`` when no device has a kernel.

    ``kernel`` is the one that runs there. ``pulled_by`` is the id of the colocated op that kept
    this one off the accelerator; ``moved`` says that a heuristic chose the device, not the kernels.
    """

    device: str | None
    kernel: KernelDef | None
    pulled_by: str | None = None
    moved: bool = False


def place(graph: ModelGraph, target: Target) -> dict[str, Assignment]:
    """Assign every op of ``graph``; keys are op ids."""
    kernels = {op.id: _kernels(op, target) for op in graph.ops}
    groups = _groups(graph)
    devices: dict[str, str | None] = {}
    pulled: dict[str, str] = {}
    for members in groups:
        device, blamed = _group_device(members, kernels, target.device_type)
        for op_id in members:
            devices[op_id] = device if device in kernels[op_id] else _first(kernels[op_id])
            if blamed and devices[op_id] == CPU and target.device_type in kernels[op_id]:
                pulled[op_id] = blamed
    moved = _heuristics(graph, kernels, devices)
    return {
        op.id: Assignment(
            device := devices[op.id],
            kernels[op.id].get(device) if device else None,
            pulled.get(op.id),
            op.id in moved,
        )
        for op in graph.ops
    }


def _kernels(op: OpNode, target: Target) -> dict[str, KernelDef]:
    """The kernel each device would run ``op`` with, the accelerator first."""
    attrs: dict[str, object] = {**dict(op.attrs), **dict(op.dtypes)}
    label = str(attrs.get("_kernel", ""))
    found = {}
    for device in (target.device_type, CPU):
        kernel = target.registry.match(op.op_type, device, attrs, label)
        if kernel is not None:
            found[device] = kernel
    return found


def _first(kernels: Mapping[str, KernelDef]) -> str | None:
    return next(iter(kernels), None)


def _groups(graph: ModelGraph) -> Iterable[set[str]]:
    """Sets of colocated ops. An op nobody shares anything with is a group of its own."""
    from networkx.utils import UnionFind  # 0.1 s that `opcheck inspect` need not wait

    union: UnionFind[str] = UnionFind(op.id for op in graph.ops)
    for edge in graph.edges:
        if edge.src_output < 0:
            continue
        spec = graph.by_id[edge.dst].inputs[edge.dst_input]
        if spec.dtype == "resource" or spec.dtype.endswith("_ref"):
            union.union(edge.src, edge.dst)
    for op in graph.ops:
        for other in _colocated_with(op):
            if other in graph.by_id:
                union.union(op.id, other)
    for members in union.to_sets():
        ops = {m for m in members if not m.startswith(ARGUMENT)}
        if ops:
            yield ops


def _colocated_with(op: OpNode) -> Iterable[str]:
    names = dict(op.attrs).get(_COLOCATION_ATTR, ())
    for name in names if isinstance(names, tuple) else (names,):
        if isinstance(name, str) and name.startswith(_COLOCATION_PREFIX):
            yield name[len(_COLOCATION_PREFIX) :]


def _group_device(
    members: set[str], kernels: Mapping[str, Mapping[str, KernelDef]], accelerator: str
) -> tuple[str | None, str | None]:
    """The group's device, and the member that keeps it off the accelerator."""
    without = sorted(m for m in members if accelerator not in kernels[m])
    if not without:
        return accelerator, None
    return CPU, without[0]


def _heuristics(
    graph: ModelGraph,
    kernels: Mapping[str, Mapping[str, KernelDef]],
    devices: dict[str, str | None],
) -> set[str]:
    """Apply the placer's heuristics A (generators) and B (metadata); returns whom they moved."""
    inputs: dict[str, str] = {}
    consumers: dict[str, set[str]] = defaultdict(set)
    for edge in graph.edges:
        consumers[edge.src].add(edge.dst)
        if edge.dst_input == 0:
            inputs.setdefault(edge.dst, edge.src)
    moved: set[str] = set()

    def move(op_id: str, device: str | None) -> None:
        if device in kernels[op_id] and device != devices[op_id]:
            devices[op_id] = device
            moved.add(op_id)

    for op in graph.ops:
        source = inputs.get(op.id)
        if op.op_type in _METADATA and source in devices:
            move(op.id, devices[source])
    for op in graph.ops:
        if not op.inputs and len(op.outputs) == 1 and not op.outputs[0].dtype.endswith("_ref"):
            where = {devices[consumer] for consumer in consumers[op.id]}
            if len(where) == 1:
                move(op.id, where.pop())
    return moved
