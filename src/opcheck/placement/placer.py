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

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import msgspec
from packaging.version import Version

from opcheck.graph import ARGUMENT, ARGUMENTS_ON_HOST, Edge, ModelGraph, OpNode
from opcheck.targets import KernelDef, Target

CPU = "CPU"
METADATA = frozenset({"Shape", "Size", "Rank"})  # graph.cc: NC_METADATA
_COLOCATION_ATTR = "_class"
_COLOCATION_PREFIX = "loc:@"
# placer.cc: MatchIdentityOperation. TensorFlow 2.15.1 does not have it, 2.18.1 does.
_IDENTITY_FOLLOWS_SINCE = Version("2.16")

_LABEL = "_kernel"  # the attribute that asks for a kernel by its label

Kernels = Mapping[str, Mapping[str, KernelDef]]
Likeness = tuple[str, tuple[object, ...], tuple[tuple[str, object], ...]]


class Assignment(msgspec.Struct, frozen=True, gc=False):
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
    """Assign every op of ``graph`` and every node that TensorFlow adds; keys are ids."""
    known: dict[Likeness, dict[str, KernelDef]] = {}  # most nodes are like another
    kernels = {op.id: _kernels(op, target, known) for op in graph.nodes.values()}
    devices: dict[str, str | None] = {}
    device: str | None
    pulled: dict[str, str] = {}
    stranded: set[str] = set()
    asked: set[str] = set()
    free: dict[str, set[str]] = {}
    named = f"device:{target.device_type}"
    for group in _groups(graph):
        members = {m for m in group if not m.startswith(ARGUMENT)}
        without = sorted(m for m in members if target.device_type not in kernels[m])
        if without and len(members) < len(group) and _lives_there(members, graph, target):
            stranded.update(without)
            without = []
        placed = {m: graph.nodes[m].device for m in members}
        culprits = without or sorted(m for m in members if asks_for_cpu(graph.nodes[m]))
        device = CPU if culprits else target.device_type
        if any(named in wish for wish in placed.values()):
            asked |= members
        for op_id in members:
            devices[op_id] = device if device in kernels[op_id] else _first(kernels[op_id])
            on_cpu = devices[op_id] == CPU and target.device_type in kernels[op_id]
            if on_cpu and op_id not in culprits:
                pulled[op_id] = culprits[0]
        either = len(members) == len(group) and not without and not any(placed.values())
        if either and all(CPU in kernels[m] for m in members):
            free.update(dict.fromkeys(members, members))
    moved = _heuristics(graph, target, free, devices)
    return {
        op_id: Assignment(
            device := devices[op_id],
            found.get(device) if device else None,
            pulled.get(op_id),
            op_id in moved,
            op_id in stranded,
            op_id in asked,
        )
        for op_id, found in kernels.items()
    }


def _kernels(
    op: OpNode, target: Target, known: dict[Likeness, dict[str, KernelDef]]
) -> dict[str, KernelDef]:
    """The kernel each device would run ``op`` with, the accelerator first."""
    node = likeness(op, target)
    if node not in known:
        found = {}
        values: dict[str, object] = {**dict(node[2]), **dict(op.dtypes)}
        label = str(values.get(_LABEL, ""))
        for device in (target.device_type, CPU):
            kernel = target.registry.match(op.op_type, device, values, label)
            if kernel is not None:
                found[device] = kernel
        known[node] = found
    return known[node]


def likeness(op: OpNode, target: Target) -> Likeness:
    """All of ``op`` that decides which kernel matches."""
    constrained = target.registry.constrained(op.op_type)
    attrs = tuple(pair for pair in op.attrs if pair[0] in constrained or pair[0] == _LABEL)
    return op.op_type, op.dtypes, attrs


def _first(kernels: Mapping[str, KernelDef]) -> str | None:
    return next(iter(kernels), None)


def _groups(graph: ModelGraph) -> Iterable[set[str]]:
    """Sets of colocated ops and resource arguments. Most ops are a group of their own."""
    from networkx.utils import UnionFind  # 0.1 s that `opcheck inspect` need not wait

    union: UnionFind[str] = UnionFind(graph.nodes)
    for edge in graph.data:
        spec = graph.nodes[edge.dst].inputs[edge.dst_input]
        if spec.dtype == "resource" or spec.dtype.endswith("_ref"):
            union.union(edge.src, edge.dst)
    for op in graph.nodes.values():
        for name in _colocated_with(op):
            other = _in_scope(name, op, graph) if op.id in graph.by_id else name
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
        op = graph.nodes[member]
        if op.op_type.startswith("Resource") or op.op_type.endswith("VariableOp"):
            types = dict(op.dtypes)
            attrs: dict[str, object] = {"dtype": types.get("dtype", types.get("T", ""))}
            return target.registry.match("VarHandleOp", target.device_type, attrs) is not None
    return False


def asks_for_cpu(op: OpNode) -> bool:
    """``with tf.device("CPU")``, which counts unless a resource decides."""
    by_resource = any(spec.dtype == "resource" for spec in op.inputs)
    return "device:CPU" in op.device and not by_resource


def _heuristics(
    graph: ModelGraph,
    target: Target,
    free: Mapping[str, set[str]],
    devices: dict[str, str | None],
) -> set[str]:
    """Move ops to their inputs or consumers where the placer does; returns whom they moved.

    ``free`` has, for each op that could be on either device, all that must be there with it: they
    are until the first of them is settled. The placer settles one op after the other, so it cannot
    follow one that comes later.
    """
    first: dict[str, Edge] = {}
    entering: Counter[str] = Counter()
    after: dict[str, list[Edge]] = defaultdict(list)
    control = (edge for edge in graph.edges if edge.src_output < 0)
    for edge in (*graph.data, *control):
        if edge.dst_input == 0:
            first.setdefault(edge.dst, edge)
        entering[edge.dst] += 1
        after[edge.src].append(edge)
    follows_identity = Version(target.tensorflow) >= _IDENTITY_FOLLOWS_SINCE
    apart = _graph_of(graph)
    settled: set[str] = set()
    moved: set[str] = set()

    def boundary(dtype: str) -> str:
        """Where an argument of a body is that is placed on its own."""
        there = target.registry.match("Identity", target.device_type, {"T": dtype})
        return target.device_type if there is not None else CPU

    def settle(op: OpNode, device: str | None) -> None:
        group = free.get(op.id, set())
        if device != devices[op.id] and device is not None and settled.isdisjoint(group):
            devices.update(dict.fromkeys(group, device))
            moved.update(group)
        settled.add(op.id)

    def source(op: OpNode) -> str | None:
        """Where the first input is, None while that is not settled."""
        edge = first.get(op.id)
        if edge is None:
            return None
        dtype = op.inputs[0].dtype
        if edge.src.startswith(ARGUMENT):
            return CPU if dtype in ARGUMENTS_ON_HOST else target.device_type
        if apart.get(edge.src) != apart.get(op.id):
            return boundary(dtype)
        return devices[edge.src] if edge.src in settled else None

    def is_lone_identity(op: OpNode) -> bool:
        if op.op_type != "Identity" or op.device or entering[op.id] != 1:
            return False
        return len(after[op.id]) <= 1  # a result of the step has none here

    generators = []
    for op in graph.nodes.values():
        if _is_generator(op):
            generators.append(op)
        elif op.op_type in METADATA or (follows_identity and is_lone_identity(op)):
            settle(op, source(op))
        else:
            settled.add(op.id)
    for op in generators:
        dtype = op.outputs[0].dtype
        where = {
            devices[e.dst] if apart.get(e.dst) == apart.get(op.id) else boundary(dtype)
            for e in after[op.id]
        }
        settle(op, where.pop() if len(where) == 1 else None)
    return moved


def _graph_of(graph: ModelGraph) -> dict[str, int]:
    """Which nodes are of a body that is placed on its own, and of which."""
    if graph.lowered is None:
        return {}
    bodies = enumerate(graph.lowered.graphs[1:])
    return {name: index for index, names in bodies for name in names}


def _is_generator(op: OpNode) -> bool:
    return not op.inputs and len(op.outputs) == 1 and not op.outputs[0].dtype.endswith("_ref")
