"""Predicted placements: the placer's assignment on a target's registry, as verdicts with
reasons."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from opcheck.graph import ModelGraph, OpNode, OpSignature
from opcheck.placement import words
from opcheck.placement.host import computes_there, keeps_data_on_host, types_instead
from opcheck.placement.limits import Limit, limits
from opcheck.placement.partition import partitioned
from opcheck.placement.placer import CPU, Assignment, Likeness, asks_for_cpu, likeness, place
from opcheck.placement.types import Placement, Reason, Types, Verdict
from opcheck.targets import Target

_XLA_CALL = "_XlaMustCompile"


class Prediction(msgspec.Struct, frozen=True):
    """A placement for each op of the graph, and for each node that TensorFlow adds to it."""

    ops: tuple[Placement, ...]
    added: tuple[Placement, ...] = ()


def predict(
    graph: ModelGraph,
    target: Target,
    *,
    opaque: Mapping[str, str] = MappingProxyType({}),
    soft_placement: bool = True,
) -> tuple[Placement, ...]:
    """One placement for each op of ``graph``, in its order; see `predict_all`."""
    return predict_all(graph, target, opaque=opaque, soft_placement=soft_placement).ops


def predict_all(
    graph: ModelGraph,
    target: Target,
    *,
    opaque: Mapping[str, str] = MappingProxyType({}),
    soft_placement: bool = True,
) -> Prediction:
    """Where the ops of ``graph`` and what TensorFlow adds to it go, each in its order.

    ``opaque`` maps the paths of layers that were not rebuilt as they are to why: nothing is known
    of their ops. Without ``soft_placement`` an op fails that the model puts on the accelerator by
    name, where it has no kernel.
    """
    assigned = place(graph, target)
    limited = limits(target)
    missing = _Missing(target, graph.signatures)
    placements = []
    for op in graph.ops:
        assignment = assigned[op.id]
        verdict, reason = _judge(op, assignment, graph, missing, opaque)
        if verdict in ("accelerator", "host-pinned"):
            verdict, reason = _limited(op, limited, target) or (verdict, reason)
        elif verdict == "cpu" and assignment.asked and not soft_placement:
            verdict, reason = "fails", words.refused(reason, target)
        instead = missing.instead(op) if reason.code == "dtype" else ()
        placements.append(_placement(op, assignment, verdict, reason, instead))
    there = partitioned(graph, target, assigned)
    added = (
        _placement(node, there[node.id], *_judge(node, there[node.id], graph, missing, {}))
        for node in graph.added
    )
    return Prediction(tuple(placements), tuple(added))


class _Missing:
    """Why an op has no kernel there, put in words once for all that are alike."""

    def __init__(self, target: Target, signatures: Mapping[str, OpSignature]) -> None:
        self.target = target
        self._signatures = signatures
        self._known: dict[Likeness, tuple[Reason, Types]] = {}

    def __call__(self, op: OpNode) -> Reason:
        return self._of(op)[0]

    def instead(self, op: OpNode) -> Types:
        """The types with which it would compute there."""
        return self._of(op)[1]

    def _of(self, op: OpNode) -> tuple[Reason, Types]:
        like = likeness(op, self.target)
        if like not in self._known:
            self._known[like] = self._found(op)
        return self._known[like]

    def _found(self, op: OpNode) -> tuple[Reason, Types]:
        signature = self._signatures.get(op.op_type)
        if not computes_there(self.target, op.op_type, signature):
            return words.no_kernel(op, self.target), ()
        instead = types_instead(op, self.target, signature)
        return words.other_types(op, self.target, instead), instead


def _placement(
    op: OpNode, assignment: Assignment, verdict: Verdict, reason: Reason, instead: Types = ()
) -> Placement:
    there = assignment.kernel if assignment.device != CPU else None
    host_memory = there.host_memory if there else ()
    return Placement(op.id, verdict, "predicted", reason, host_memory, instead)


def _limited(
    op: OpNode, limited: Mapping[str, tuple[Limit, ...]], target: Target
) -> tuple[Verdict, Reason] | None:
    """The verdict where a run-time limit of the plugin is exceeded, or might be."""
    found: tuple[Verdict, Reason] | None = None
    for limit in limited.get(op.op_type, ()):
        exceeded = limit.exceeded(op)
        if exceeded:
            return "fails", words.over_limit(limit, target)
        if exceeded is None:
            found = "unknown", words.near_limit(limit, op)
    return found


def _judge(
    op: OpNode,
    assignment: Assignment,
    graph: ModelGraph,
    missing: _Missing,
    opaque: Mapping[str, str],
) -> tuple[Verdict, Reason]:
    target = missing.target
    if op.layer_path is not None and op.layer_path in opaque:
        return "unknown", Reason("opaque", opaque[op.layer_path])
    if dict(op.attrs).get(_XLA_CALL) is True:
        return "fails", Reason(
            "no-xla",
            f"this call is compiled with XLA (jit_compile=True), and {target.platform} has no XLA "
            "compiler",
        )
    if assignment.stranded:
        return "fails", Reason(
            "variable-on-accelerator",
            f"{missing(op).message}, and the variable it works on is on "
            f"{target.device_type}: TensorFlow refuses to place the step",
        )
    if assignment.device is None:
        return _nowhere(op, target)
    if assignment.device == CPU:
        return "cpu", _why_cpu(op, assignment, graph, missing)
    kernel = assignment.kernel
    if kernel is not None and keeps_data_on_host(kernel, graph.signatures.get(op.op_type)):
        return "host-pinned", Reason(
            "host-memory",
            f"{words.with_dtypes(op)} is placed on {target.device_type}, but its kernel keeps "
            f"{words.listing(kernel.host_memory)} in host memory, so it computes on the CPU",
        )
    who = (
        words.plugin(target) if kernel is None or kernel.origin == "plugin" else words.core(target)
    )
    return "accelerator", Reason("kernel", f"{who} registers {words.with_dtypes(op)}")


def _nowhere(op: OpNode, target: Target) -> tuple[Verdict, Reason]:
    if target.defines(op.op_type):
        return "fails", Reason(
            "no-kernel-anywhere",
            f"{words.with_dtypes(op)} has no kernel on {target.device_type} and none on the "
            f"CPU{words.elsewhere(op, target)}",
        )
    return "unknown", Reason(
        "unknown-op",
        f"{words.core(target)} and {words.plugin(target)} have no op {op.op_type}: it is of a "
        "custom library or of another TensorFlow version",
    )


def _why_cpu(op: OpNode, assignment: Assignment, graph: ModelGraph, missing: _Missing) -> Reason:
    if assignment.pulled_by is not None:
        culprit = graph.nodes[assignment.pulled_by]
        return Reason(
            "colocated",
            f"colocated with {culprit.op_type}, and {_own_reason(culprit, missing).message}",
        )
    if assignment.moved:
        return Reason(
            "placer-heuristic",
            f"TensorFlow places {op.op_type} with the ops it serves, and those are on the CPU",
        )
    return _own_reason(op, missing)


def _own_reason(op: OpNode, missing: _Missing) -> Reason:
    """Why ``op`` is on the CPU, whatever the ops around it."""
    if asks_for_cpu(op):
        return Reason("asked-for", f"the model puts {op.op_type} on the CPU itself (tf.device)")
    return missing(op)
