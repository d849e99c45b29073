"""Holds predicted placements against the placer's own log of the step that ran.

Everywhere the log proves that the graph we analyse is the graph that runs. Where the step ran on
the target's own device or on an emulated one, its placements replace the predicted ones as
``observed`` or ``emulated``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import msgspec

from opcheck.graph import ModelGraph
from opcheck.placement.types import Evidence, Placement, Reason, Verdict
from opcheck.worker.protocol import DeviceLogEntry

# What lowering control flow and inlining calls adds to a graph (lower_while_op.cc, lower_if_op.cc,
# inline_function_utils.cc). None of it is the model's.
_LOOP = frozenset({"Enter", "Exit", "LoopCond", "NextIteration"})
_FLOW = frozenset({"Merge", "Switch", "_SwitchN"})
_INLINED = re.compile(r"^Func/.*/(in|out)put$")
_FLOW_IDENTITY = re.compile(r"/(loop_body_control|pivot_[tf])$")
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
# Failures of another kind come after the placer: limits of the plugin's own kernels.
_REFUTED_BY_A_RUN = frozenset({"no-kernel-anywhere", "no-xla", "variable-on-accelerator"})
_COUNTER = re.compile(r"/_\d+(?=/|$|_switch(?:/|$))")


class Disagreement(msgspec.Struct, frozen=True):
    """An op that was predicted on one device and traced on another."""

    predicted: Placement
    traced: Placement


class ReconcileResult(msgspec.Struct, frozen=True):
    """``only_in_trace`` leaves out what TensorFlow itself adds; ``added`` counts that by cause."""

    placements: tuple[Placement, ...]
    matched: int
    added: tuple[tuple[str, int], ...]
    only_in_graph: tuple[str, ...]
    only_in_trace: tuple[str, ...]
    disagreements: tuple[Disagreement, ...] = ()


def reconcile(
    graph: ModelGraph,
    placements: tuple[Placement, ...],
    log: tuple[DeviceLogEntry, ...],
    *,
    device_type: str | None = None,
    evidence: Evidence = "observed",
    executed: bool = False,
) -> ReconcileResult:
    """Match ``log`` to the ops of ``graph`` by name and op type.

    ``device_type`` is the target's when the step ran on the target's own device or on an emulated
    one, which ``evidence`` tells apart; else it is ``None``. ``executed``: it ran to its end.
    """
    traced: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in log:
        traced[without_counters(entry.name), entry.op].append(entry.device)
    wanted = Counter((op.placed_as or op.id, op.op_type) for op in graph.ops)
    matched = sum(min(count, len(traced.get(key, ()))) for key, count in wanted.items())
    only_in_graph = [
        name for (name, op), n in wanted.items() if len(traced.get((name, op), ())) < n
    ]
    added: Counter[str] = Counter()
    only_in_trace = []
    for (name, op), devices in traced.items():
        extra = len(devices) - wanted.get((name, op), 0)
        cause = _cause(name, op, graph) if extra > 0 else None
        if cause is not None:
            added[cause] += extra
        elif extra > 0 and (name, op) not in wanted:
            only_in_trace.append(name)
    if device_type is None:
        result: tuple[Placement, ...] = placements
        disagreements: tuple[Disagreement, ...] = ()
    else:
        result, disagreements = _observed(
            graph, placements, traced, device_type, evidence, executed
        )
    return ReconcileResult(
        result,
        matched,
        tuple(sorted(added.items())),
        tuple(only_in_graph),
        tuple(only_in_trace),
        disagreements,
    )


def without_counters(name: str) -> str:
    """A name from a log or an error message, without what inlining numbers (``body/_267/x``)."""
    return _COUNTER.sub("", name)


def _cause(name: str, op: str, graph: ModelGraph) -> str | None:
    """Why a node is in the log that is none of the graph's ops; ``None``: nothing explains it."""
    if op in _LOOP or op in _FLOW or (op == "Identity" and _FLOW_IDENTITY.search(name)):
        return "control flow that was lowered"
    if op == "NoOp" or (op == "Identity" and _INLINED.search(name)):
        return "a call that was inlined"
    if op in _CALLS:  # the ops of its body are placed on their own
        return "a call that stayed"
    if name in graph.arguments:
        return "an argument that Grappler replaced by its constant"
    return None


def _observed(
    graph: ModelGraph,
    placements: tuple[Placement, ...],
    traced: dict[tuple[str, str], list[str]],
    device_type: str,
    evidence: Evidence,
    executed: bool,
) -> tuple[tuple[Placement, ...], tuple[Disagreement, ...]]:
    observed, disagreements = [], []
    alike = _predicted_alike(graph, placements, device_type)
    for op, placement in zip(graph.ops, placements, strict=True):
        key = (op.placed_as or op.id, op.op_type)
        found = Counter(device.partition(":")[0] for device in traced.get(key, ()))
        refuted = executed and placement.reason.code in _REFUTED_BY_A_RUN
        if (
            not found
            or placement.verdict == "unknown"
            or (placement.verdict == "fails" and not refuted)
            # Bodies that are placed on their own share names: which is whose only the sums tell.
            or (len(found) > 1 and found != alike[key])
        ):
            observed.append(placement)
            continue
        expected = _device(placement, device_type)
        device = expected if expected in found else next(iter(found))
        if device == expected:
            observed.append(msgspec.structs.replace(placement, evidence=evidence))
            continue
        verdict: Verdict = "cpu" if device == "CPU" else "accelerator"
        reason = Reason(evidence, f"TensorFlow placed it on {device} when the step ran")
        traced_on = Placement(op.id, verdict, evidence, reason)
        observed.append(traced_on)
        disagreements.append(Disagreement(placement, traced_on))
    return tuple(observed), tuple(disagreements)


def _predicted_alike(
    graph: ModelGraph, placements: tuple[Placement, ...], device_type: str
) -> dict[tuple[str, str], Counter[str]]:
    """How many ops of each name and type are predicted on each device."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for op, placement in zip(graph.ops, placements, strict=True):
        found[op.placed_as or op.id, op.op_type][_device(placement, device_type)] += 1
    return found


def _device(placement: Placement, device_type: str) -> str:
    return {"cpu": "CPU", "fails": "none"}.get(placement.verdict, device_type)
