"""Everything the stages found -> a Report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import opcheck
from opcheck.placement.types import Evidence
from opcheck.report.types import (
    SCHEMA_VERSION,
    Device,
    Environment,
    GateVerdict,
    Inspection,
    LayerSummary,
    Model,
    Op,
    OpDisagreement,
    Report,
    Result,
    Summary,
    Tool,
    Trace,
    VersionMismatch,
)
from opcheck.rules import PlacedOp, Subject, findings
from opcheck.rules.versions import mismatches

if TYPE_CHECKING:
    from opcheck.cost import StepCost
    from opcheck.loading.types import Hazard, ModelSource
    from opcheck.placement import ReconcileResult
    from opcheck.targets import Target
    from opcheck.worker.protocol import TracedStep, WorkerEnvironment, WorkerReply

_STRONGEST_FIRST: tuple[Evidence, ...] = ("observed", "emulated", "predicted")


def report(
    source: ModelSource,
    reply: WorkerReply,
    targets: Sequence[Target],
    results: Iterable[Result],
    notes: tuple[str, ...] = (),
) -> Report:
    """The report, not yet judged: its verdict is "did not pass" until the gate has spoken.

    ``notes`` are those on the environment.
    """
    return Report(
        schema_version=SCHEMA_VERSION,
        tool=_tool(),
        model=_model(source, reply),
        environment=_environment(reply.environment, targets, notes),
        results=tuple(results),
        verdict=GateVerdict(passed=False, failures=(), fail_on=None),
    )


def inspection(source: ModelSource) -> Inspection:
    return Inspection(SCHEMA_VERSION, _tool(), _model(source, None))


def result(subject: Subject, traced: TracedStep, reconciled: ReconcileResult | None) -> Result:
    """One step on one target. ``reconciled`` is ``None`` when nothing was compared with a trace."""
    found = findings(subject)
    return Result(
        target=subject.target.label,
        description=subject.target.description,
        device_type=subject.target.device_type,
        match=subject.target.match,
        step=subject.step,
        evidence=_strongest(op.placement.evidence for op in subject.ops),
        loss=traced.loss,
        optimizer=traced.optimizer,
        defaults=traced.defaults,
        ops=tuple(_op(op) for op in subject.ops),
        layers=_layers(subject.ops),
        summary=_summary(subject.ops, subject.cost),
        findings=found,
        disagreements=_disagreements(subject, reconciled),
        trace=Trace(
            executed=traced.executed,
            matched=reconciled.matched if reconciled else 0,
            only_in_graph=reconciled.only_in_graph if reconciled else (),
            only_in_trace=reconciled.only_in_trace if reconciled else (),
            error=traced.error,
            not_real=tuple(op.name for op in traced.zeros),
        ),
        incomplete=subject.gaps,
        notes=traced.notes + _inputs_to_blame(traced) + _not_real(traced),
        match_reason=subject.target.match_reason,
        flows=subject.flows,
        kernels=subject.target.kernels,
    )


def _disagreements(
    subject: Subject, reconciled: ReconcileResult | None
) -> tuple[OpDisagreement, ...]:
    """Of the ops that the report lists: what is pruned before it runs is none of them."""
    nodes = {op.node.id: op.node for op in subject.ops}
    found = reconciled.disagreements if reconciled else ()
    return tuple(
        OpDisagreement(
            name=node.id,
            op=node.op_type,
            layer=node.layer_path,
            predicted=each.predicted.verdict,
            reason=each.predicted.reason,
            traced=each.traced.verdict,
        )
        for each in found
        if (node := nodes.get(each.predicted.op_id)) is not None
    )


def _inputs_to_blame(traced: TracedStep) -> tuple[str, ...]:
    if not traced.fails_on_cpu:
        return ()
    return (
        "It stops on the plain CPU as well: the inputs are to blame, and what comes after is "
        "predicted. --input and --input-file give others.",
    )


def _not_real(traced: TracedStep) -> tuple[str, ...]:
    if not traced.zeros:
        return ()
    types = ", ".join(sorted({op.op for op in traced.zeros}))
    return (
        f"The numbers of this run are not real: the emulated device gave zeros for {types}, which "
        "the CPU cannot compute.",
    )


def _tool() -> Tool:
    return Tool("opcheck", opcheck.__version__)


def _model(source: ModelSource, reply: WorkerReply | None) -> Model:
    """The model as the file tells, and as the worker found it where it was built."""
    return Model(
        path=source.path,
        sha256=source.sha256,
        format=source.format,
        keras_version=source.keras_version,
        backend=source.backend,
        name=source.name,
        layers=(reply.layers if reply else ()) or source.layers,
        hazards=_hazards(source.hazards, reply.replaced if reply else ()),
        notes=source.notes + (reply.notes if reply else ()),
    )


def _hazards(stored: tuple[Hazard, ...], replaced: tuple[Hazard, ...]) -> tuple[Hazard, ...]:
    """Those of the file, and what the worker replaced that the file's list does not have."""
    known = {(hazard.code, hazard.layer) for hazard in stored}
    return stored + tuple(h for h in replaced if (h.code, h.layer) not in known)


def _environment(
    environment: WorkerEnvironment, targets: Sequence[Target], notes: tuple[str, ...]
) -> Environment:
    return Environment(
        python=environment.python,
        system=environment.system,
        machine=environment.machine,
        tensorflow=environment.tensorflow,
        keras=environment.keras,
        keras_package=environment.keras_package,
        accelerators=tuple(Device(kind, platform) for kind, platform in environment.accelerators),
        mismatch=tuple(
            VersionMismatch(m.target, m.package, m.traced, m.supported, m.message)
            for target in targets
            for m in mismatches(environment, target)
        ),
        notes=notes,
    )


def _op(op: PlacedOp) -> Op:
    node, placement = op.node, op.placement
    return Op(
        name=node.id,
        op=node.op_type,
        layer=node.layer_path,
        function=node.function,
        role=node.role,
        dtypes=dict(node.dtypes),
        verdict=placement.verdict,
        evidence=placement.evidence,
        reason=placement.reason,
        severity=op.severity,
        cost=op.cost,
    )


def _layers(ops: Sequence[PlacedOp]) -> tuple[LayerSummary, ...]:
    by_layer: dict[str | None, list[PlacedOp]] = {}
    for op in ops:
        by_layer.setdefault(op.node.layer_path, []).append(op)
    return tuple(
        LayerSummary(path, len(members), **_verdicts(members)) for path, members in by_layer.items()
    )


def _summary(ops: Sequence[PlacedOp], cost: StepCost | None) -> Summary:
    leaving = [op for op in ops if op.placement.verdict in ("cpu", "host-pinned")]
    return Summary(
        ops=len(ops),
        **_verdicts(ops),
        leave=len(leaving),
        matter=sum(op.severity in ("error", "warning") for op in leaving),
        cost=cost,
    )


def _verdicts(ops: Sequence[PlacedOp]) -> dict[str, int]:
    count = Counter(op.placement.verdict for op in ops)
    return {
        "accelerator": count["accelerator"],
        "host_pinned": count["host-pinned"],
        "cpu": count["cpu"],
        "fails": count["fails"],
        "unknown": count["unknown"],
    }


def _strongest(evidence: Iterable[Evidence]) -> Evidence | None:
    found = set(evidence)
    return next((e for e in _STRONGEST_FIRST if e in found), None)
