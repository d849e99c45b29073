"""TensorFlow's placer, on a ModelGraph: which device each op is assigned with soft placement on.

Source: tensorflow/core/common_runtime/{placer,colocation_graph}.cc. Ops that share a resource or a
reference, and ops colocated by name, form a group; a group goes to the first device type that has a
kernel for all of its members. Heuristics then move ops that are alone in their group: one that only
looks at a shape, and in newer versions a lone Identity, follows its input; one without inputs
follows its consumers.

A variable is there before the step: its device is no choice of the placer. Where that device has no
kernel for an op on the variable, TensorFlow refuses the whole step, soft placement or not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec
from packaging.version import Version

from opcheck.graph import ARGUMENT, Edge, ModelGraph, OpNode
from opcheck.targets import KernelDef, Target

CPU = "CPU"
_METADATA = frozenset({"Shape", "Size", "Rank"})  # graph.cc: NC_METADATA
_ALWAYS_ON_HOST = frozenset({"int32", "string"})  # tensors that eager TensorFlow keeps on the CPU
_COLOCATION_ATTR = "_class"
_COLOCATION_PREFIX = "loc:@"
# placer.cc: MatchIdentityOperation. TensorFlow 2.15.1 does not have it, 2.18.1 does.
_IDENTITY_FOLLOWS_SINCE = Version("2.16")
# lower_if_op.cc colocates what leads into a branch with where it comes from.
_BRANCH = re.compile(r"/(then|else|branch_\d+)/")

_LABEL = "_kernel"  # the attribute that asks for a kernel by its label

Kernels = Mapping[str, Mapping[str, KernelDef]]
_Node = tuple[str, tuple[object, ...], tuple[object, ...]]  # all that decides which kernel matches


class Assignment(msgspec.Struct, frozen=True):
    """``device`` is the target's device type or ``CPU``, ``None`` when no device has a kernel.

    ``kernel`` is the one that runs there. ``pulled_by`` is the id of the colocated op that kept
    this one off the accelerator; ``moved`` says that a heuristic chose the device, not the kernels;
    ``stranded`` that the op's variable is on the accelerator and no kernel for the op; ``asked``
    that the model names the accelerator (``tf.device``) for the op or one of its group.
    """

    device: str | None
    kernel: KernelDef | None
    pulled_by: str | None = None
    moved: bool = False
    stranded: bool = False
    asked: bool = False


def place(graph: ModelGraph, target: Target) -> dict[str, Assignment]:
    """Assign every op of ``graph``; keys are op ids."""
    known: dict[_Node, dict[str, KernelDef]] = {}  # most nodes are like another
    kernels = {op.id: _kernels(op, target, known) for op in graph.ops}
    devices: dict[str, str | None] = {}
    device: str | None
    pulled: dict[str, str] = {}
    stranded: set[str] = set()
    asked: set[str] = set()
    free: dict[str, Mapping[str, KernelDef]] = {}
    for group in _groups(graph):
        members = {m for m in group if not m.startswith(ARGUMENT)}
        without = sorted(m for m in members if target.device_type not in kernels[m])
        if without and len(members) < len(group) and _lives_there(members, graph, target):
            stranded.update(without)
            without = []
        pinned = [m for m in members if _asks_for_cpu(graph.by_id[m])]
        device = CPU if without or pinned else target.device_type
        named = f"device:{target.device_type}"
        if any(named in graph.by_id[m].device for m in members):
            asked |= members
        for op_id in members:
            devices[op_id] = device if device in kernels[op_id] else _first(kernels[op_id])
            if without and devices[op_id] == CPU and target.device_type in kernels[op_id]:
                pulled[op_id] = without[0]
        if len(group) == 1 and not any("device:" in graph.by_id[m].device for m in members):
            free.update((m, kernels[m]) for m in members)
    moved = _heuristics(graph, target, free, devices)
    return {
        op.id: Assignment(
            device := devices[op.id],
            kernels[op.id].get(device) if device else None,
            pulled.get(op.id),
            op.id in moved,
            op.id in stranded,
            op.id in asked,
        )
        for op in graph.ops
    }


def _kernels(
    op: OpNode, target: Target, known: dict[_Node, dict[str, KernelDef]]
) -> dict[str, KernelDef]:
    """The kernel each device would run ``op`` with, the accelerator first."""
    constrained = target.registry.constrained(op.op_type)
    attrs = tuple(pair for pair in op.attrs if pair[0] in constrained or pair[0] == _LABEL)
    node = (op.op_type, op.dtypes, attrs)
    if node not in known:
        found = {}
        values: dict[str, object] = {**dict(attrs), **dict(op.dtypes)}
        label = str(values.get(_LABEL, ""))
        for device in (target.device_type, CPU):
            kernel = target.registry.match(op.op_type, device, values, label)
            if kernel is not None:
                found[device] = kernel
        known[node] = found
    return known[node]


def _first(kernels: Mapping[str, KernelDef]) -> str | None:
    return next(iter(kernels), None)


def _groups(graph: ModelGraph) -> Iterable[set[str]]:
    """Sets of colocated ops and resource arguments. Most ops are a group of their own."""
    from networkx.utils import UnionFind  # 0.1 s that `opcheck inspect` need not wait

    union: UnionFind[str] = UnionFind(op.id for op in graph.ops)
    for edge in graph.edges:
        if edge.src_output < 0:
            continue
        spec = graph.by_id[edge.dst].inputs[edge.dst_input]
        if spec.dtype == "resource" or spec.dtype.endswith("_ref"):
            union.union(edge.src, edge.dst)
    for op in graph.ops:
        for name in _colocated_with(op):
            other = _in_scope(name, op, graph)
            if other is not None:
                union.union(op.id, other)
    for members in union.to_sets():
        if not all(m.startswith(ARGUMENT) for m in members):
            yield members


def _colocated_with(op: OpNode) -> Iterable[str]:
    names = dict(op.attrs).get(_COLOCATION_ATTR, ())
    for name in names if isinstance(names, tuple) else (names,):
        if isinstance(name, str) and name.startswith(_COLOCATION_PREFIX):
            yield name[len(_COLOCATION_PREFIX) :]


def _in_scope(name: str, op: OpNode, graph: ModelGraph) -> str | None:
    """The op that ``op`` calls ``name``, which lacks the prefix of a body: the innermost one."""
    scope = op.id
    while scope:
        scope = scope.rpartition("/")[0]
        candidate = graph.by_id.get(f"{scope}/{name}" if scope else name)
        if candidate is not None:
            return candidate.id
    return None


def _lives_there(members: set[str], graph: ModelGraph, target: Target) -> bool:
    """Whether the variables of a group were created on the accelerator: where VarHandleOp can."""
    for member in members:
        op = graph.by_id[member]
        if op.op_type.startswith("Resource") or op.op_type.endswith("VariableOp"):
            types = dict(op.dtypes)
            attrs: dict[str, object] = {"dtype": types.get("dtype", types.get("T", ""))}
            return target.registry.match("VarHandleOp", target.device_type, attrs) is not None
    return False


def _asks_for_cpu(op: OpNode) -> bool:
    """``with tf.device("CPU")``, which counts unless a resource decides."""
    by_resource = any(spec.dtype == "resource" for spec in op.inputs)
    return "device:CPU" in op.device and not by_resource


def _heuristics(
    graph: ModelGraph, target: Target, free: Kernels, devices: dict[str, str | None]
) -> set[str]:
    """Move ops to their inputs or consumers where the placer does; returns whom they moved.

    ``free`` are the ops that may be moved, with their kernels. Between a function body and what is
    outside stand nodes that inlining and lowering put there (Identity, Enter, Switch, ...): not the
    ops beyond them, but these are the neighbours.
    """
    before: dict[str, list[Edge]] = defaultdict(list)
    after: dict[str, list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        before[edge.dst].append(edge)
        after[edge.src].append(edge)
    identity_follows = Version(target.tensorflow) >= _IDENTITY_FOLLOWS_SINCE
    moved: set[str] = set()

    position = {op.id: index for index, op in enumerate(graph.ops)}

    def crosses(edge: Edge) -> bool:
        """Also round a loop: within a body, what comes first is made first."""
        other = graph.by_id[edge.src].function != graph.by_id[edge.dst].function
        return other or position[edge.src] > position[edge.dst]

    def boundary(dtype: str) -> str:
        there = target.registry.match("Identity", target.device_type, {"T": dtype})
        return target.device_type if there is not None else CPU

    def move(op: OpNode, device: str | None) -> None:
        if device in free[op.id] and device != devices[op.id]:
            devices[op.id] = device
            moved.add(op.id)

    def source(op: OpNode) -> str | None:
        """Where the first input is, None while that is not decided."""
        edge = next((e for e in before[op.id] if e.dst_input == 0), None)
        if edge is None:
            return None
        dtype = op.inputs[0].dtype
        if edge.src.startswith(ARGUMENT):
            return CPU if dtype in _ALWAYS_ON_HOST else target.device_type
        if crosses(edge) and not _BRANCH.search(op.id):
            return boundary(dtype)
        return None if _is_generator(graph.by_id[edge.src]) else devices[edge.src]

    def is_lone_identity(op: OpNode) -> bool:
        if op.op_type != "Identity" or op.device or len(before[op.id]) != 1:
            return False
        out = after[op.id]
        outside = any(crosses(edge) for edge in out)
        return len([edge for edge in out if not crosses(edge)]) + outside <= 1

    for op in graph.ops:
        if op.id in free and (
            op.op_type in _METADATA or (identity_follows and is_lone_identity(op))
        ):
            move(op, source(op))
    for op in graph.ops:
        if op.id in free and _is_generator(op):
            dtype = op.outputs[0].dtype
            where = {boundary(dtype) if crosses(e) else devices[e.dst] for e in after[op.id]}
            if len(where) == 1:
                move(op, where.pop())
    return moved


def _is_generator(op: OpNode) -> bool:
    return not op.inputs and len(op.outputs) == 1 and not op.outputs[0].dtype.endswith("_ref")
