"""Predicted placements: the placer's assignment on a target's registry, as verdicts with
reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from opcheck.graph import ModelGraph, OpNode
from opcheck.placement.host import keeps_data_on_host
from opcheck.placement.placer import CPU, Assignment, place
from opcheck.placement.types import Placement, Reason, Verdict
from opcheck.targets import Target

_XLA_CALL = "_XlaMustCompile"
_HANDLES = frozenset({"resource", "variant"})


def predict(
    graph: ModelGraph, target: Target, *, opaque: Mapping[str, str] = MappingProxyType({})
) -> tuple[Placement, ...]:
    """One placement for each op of ``graph``, in its order.

    ``opaque`` maps the paths of layers that were not rebuilt as they are to why: nothing is known
    of their ops.
    """
    assigned = place(graph, target)
    placements = []
    for op in graph.ops:
        assignment = assigned[op.id]
        verdict, reason = _judge(op, assignment, graph, target, opaque)
        there = assignment.kernel if assignment.device != CPU else None
        host_memory = there.host_memory if there else ()
        placements.append(Placement(op.id, verdict, "predicted", reason, host_memory))
    return tuple(placements)


def _judge(
    op: OpNode,
    assignment: Assignment,
    graph: ModelGraph,
    target: Target,
    opaque: Mapping[str, str],
) -> tuple[Verdict, Reason]:
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
            f"{_missing(op, target).message}, and the variable it works on is on "
            f"{target.device_type}: TensorFlow refuses to place the step",
        )
    if assignment.device is None:
        return _nowhere(op, target)
    if assignment.device == CPU:
        return "cpu", _why_cpu(op, assignment, graph, target)
    kernel = assignment.kernel
    if kernel is not None and keeps_data_on_host(kernel, graph.signatures.get(op.op_type)):
        return "host-pinned", Reason(
            "host-memory",
            f"{_with_dtypes(op)} is placed on {target.device_type}, but its kernel keeps "
            f"{_listing(kernel.host_memory)} in host memory, so it computes on the CPU",
        )
    who = _plugin(target) if kernel is None or kernel.origin == "plugin" else _core(target)
    return "accelerator", Reason("kernel", f"{who} registers {_with_dtypes(op)}")


def _nowhere(op: OpNode, target: Target) -> tuple[Verdict, Reason]:
    if target.defines(op.op_type):
        return "fails", Reason(
            "no-kernel-anywhere",
            f"{_with_dtypes(op)} has no kernel on {target.device_type} and none on the CPU",
        )
    return "unknown", Reason(
        "unknown-op",
        f"{_core(target)} and {_plugin(target)} have no op {op.op_type}: it is of a custom library "
        "or of another TensorFlow version",
    )


def _why_cpu(op: OpNode, assignment: Assignment, graph: ModelGraph, target: Target) -> Reason:
    if assignment.pulled_by is not None:
        culprit = graph.by_id[assignment.pulled_by]
        return Reason(
            "colocated",
            f"colocated with {culprit.op_type}, and {_missing(culprit, target).message}",
        )
    if assignment.moved:
        return Reason(
            "placer-heuristic",
            f"TensorFlow places {op.op_type} with the ops it serves, and those are on the CPU",
        )
    if "device:CPU" in op.device:
        return Reason("asked-for", f"the model puts {op.op_type} on the CPU itself (tf.device)")
    return _missing(op, target)


def _missing(op: OpNode, target: Target) -> Reason:
    """Why there is no kernel for ``op`` on the accelerator."""
    if not target.registry.has_op(op.op_type, target.device_type):
        return Reason("no-kernel", f"{_plugin(target)} registers no {op.op_type}")
    registered = target.registry.dtypes(op.op_type, target.device_type)
    wrong = [
        (attr, dtype, registered[attr])
        for attr, dtype in op.dtypes
        if attr in registered and not set(_tuple(dtype)) <= set(registered[attr])
    ]
    if wrong:
        attr, dtype, instead = wrong[0]
        return Reason(
            "dtype",
            f"{op.op_type} with {attr}={_listing(_tuple(dtype))}: {_plugin(target)} registers "
            f"{op.op_type} for {_listing(instead)}",
        )
    return Reason(
        "dtype", f"{_plugin(target)} registers {op.op_type}, but not for {_with_dtypes(op)}"
    )


def _tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def _with_dtypes(op: OpNode) -> str:
    """``AddV2 with T=float32``; attributes that only name handles say nothing."""
    parts = [
        f"{attr}={_listing(tuple(dict.fromkeys(_tuple(dtype))))}"
        for attr, dtype in op.dtypes
        if set(_tuple(dtype)) - _HANDLES
    ]
    return f"{op.op_type} with {', '.join(parts)}" if parts else op.op_type


def _listing(names: Sequence[str], most: int = 8) -> str:
    shown = list(names[:most])
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def _plugin(target: Target) -> str:
    return f"{target.distribution or target.plugin} {target.version}"


def _core(target: Target) -> str:
    return f"TensorFlow {target.tensorflow}"
