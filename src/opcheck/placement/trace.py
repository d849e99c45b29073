"""What a step that ran here tells of a target: where its ops were put, and what stopped it."""

from __future__ import annotations

import msgspec

from opcheck import graph as graphs
from opcheck.graph import ModelGraph
from opcheck.placement.reconcile import ReconcileResult, reconcile, without_counters
from opcheck.placement.types import Evidence, Placement, Reason
from opcheck.targets import Target
from opcheck.worker.protocol import TracedStep, WorkerEnvironment


class Traced(msgspec.Struct, frozen=True):
    """``evidence`` is ``None`` where the step ran without the target's device, which tells nothing
    of where its ops go. ``gaps`` say in words why it stopped there, where nothing explains it.
    """

    placements: tuple[Placement, ...]
    compared: ReconcileResult
    evidence: Evidence | None
    gaps: tuple[str, ...] = ()


def trace(
    graph: ModelGraph,
    predicted: tuple[Placement, ...],
    step: TracedStep,
    target: Target,
    environment: WorkerEnvironment,
) -> Traced:
    """Hold the prediction for ``graph`` against the step that ran in ``environment``.

    The placements of the target's own device, or of an emulated one, take the place of the
    predicted ones. An op that TensorFlow found no kernel or compiler for there ``fails``.
    """
    if (target.device_type, target.platform) not in environment.accelerators:
        return Traced(predicted, _elsewhere(graph, step), None)
    evidence: Evidence = "observed" if environment.emulated is None else "emulated"
    compared = reconcile(
        graph,
        predicted,
        step.placements,
        device_type=target.device_type,
        evidence=evidence,
        executed=step.executed,
    )
    placements = compared.placements
    if step.error is None:
        return Traced(placements, compared, evidence)
    if step.refused and step.error_op is not None:
        placements = _stopped_at(step.error_op, step.error, graph, placements, evidence)
    # What fails on the CPU as well says nothing of the target: the inputs are made up.
    if step.fails_on_cpu or any(placement.verdict == "fails" for placement in placements):
        return Traced(placements, compared, evidence)
    gap = f"The step stopped on {target.label}: {step.error}"
    return Traced(placements, compared, evidence, (gap,))


def _elsewhere(graph: ModelGraph, step: TracedStep) -> ReconcileResult:
    """Without the target's device the log shows whether the graph is the one that runs."""
    executed = step.executed_graph or step.graph
    assert executed is not None  # ``graph`` was made of it
    here = graph
    if executed is not step.graph or graphs.depends_on_device(executed):
        here = graphs.flatten(executed, name=step.step, device_type="CPU")
    return reconcile(here, (), step.placements)


def _stopped_at(
    op: str,
    message: str,
    graph: ModelGraph,
    placements: tuple[Placement, ...],
    evidence: Evidence,
) -> tuple[Placement, ...]:
    """The op that TensorFlow named ``op`` fails; where that was predicted the reason stays."""
    name = without_counters(op)
    found = []
    for node, placement in zip(graph.ops, placements, strict=True):
        if name not in (node.id, node.placed_as):
            found.append(placement)
        elif placement.verdict == "fails":
            found.append(msgspec.structs.replace(placement, evidence=evidence))
        else:
            reason = Reason("raised", f"TensorFlow stopped at it: {message}")
            found.append(Placement(node.id, "fails", evidence, reason))
    return tuple(found)
