"""The whole check: source -> worker -> graph -> placement -> findings -> report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from opcheck import config, cost, graph, loading, placement, targets, worker
from opcheck.config import Options, StepChoice
from opcheck.errors import CannotCheckError, UsageError
from opcheck.installed import default_targets
from opcheck.loading.types import ModelSource
from opcheck.report import Inspection, Report, Result, baseline, build, gate
from opcheck.rules import PlacedOp, Subject, severities
from opcheck.rules.versions import emulated_beside
from opcheck.targets import Target
from opcheck.worker.protocol import (
    AssumedShape,
    InputSpec,
    Step,
    TracedStep,
    WorkerReply,
    WorkerRequest,
)

_STEPS: dict[StepChoice, tuple[Step, ...]] = {
    "inference": ("inference",),
    "training": ("training",),
    "both": ("inference", "training"),
}
_DEFAULTS = Options()

Tracer = Callable[..., worker.Traces]
"""`worker.trace`, or one that takes and gives the same."""


def inspect(model: str | ModelSource) -> Inspection:
    """What can be known about a model without running anything; see ``loading.read`` for errors."""
    return build.inspection(model if isinstance(model, ModelSource) else loading.read(model))


def check(
    model: str | ModelSource,
    target_specs: Sequence[str] = (),
    options: Options = _DEFAULTS,
    progress: Callable[[str], None] | None = None,
    trace: Tracer = worker.trace,
    log_folder: Path | None = None,
) -> Report:
    """Check a model file, ``package.module:function``, or what was read of one, against targets.

    ``target_specs`` are names such as ``metal@1.2.0``; without any, ``options.targets`` count, then
    this machine's own accelerator, then the newest of each plugin. ``progress`` is called with
    the name of each stage; ``trace`` makes the graphs, in a process of its own. ``log_folder``, an
    empty one, gets a TensorBoard log. Raises OpcheckError when no report can be made.
    """
    config.validate(options)
    specs = tuple(target_specs or options.targets or default_targets())
    chosen = targets.told_apart(targets.resolve(s, nearest=options.nearest) for s in specs)
    accepted = baseline.named_by(options)
    progress = progress or (lambda _: None)
    progress("reading the model")
    source = model if isinstance(model, ModelSource) else loading.read(model)
    traces = trace(
        worker_request(source, options, log_folder),
        {target.spec: target for target in chosen},
        options.evidence,
        timeout=options.timeout,
        progress=progress,
    )
    progress("placing the ops")
    replies = {name: _applicable(reply, options) for name, reply in traces.replies.items()}
    results = [
        _judge(source, replies[target.spec], step, target, options)
        for target in chosen
        for step in replies[target.spec].steps
    ]
    here = _as_here(replies[chosen[0].spec])
    report = build.report(source, here, chosen, results, traces.notes + _beside(chosen, replies))
    return gate.judge(report, options, accepted)


def worker_request(
    source: ModelSource, options: Options, log_folder: Path | None = None
) -> WorkerRequest:
    """What the TensorFlow process needs to know of the model and of what is allowed.

    Raises:
        UsageError: a signature is asked for, and the model is no SavedModel.
    """
    if options.signature is not None and source.format != "savedmodel":
        raise UsageError(
            f"--signature {options.signature}: {source.path} is no SavedModel and has none."
        )
    return WorkerRequest(
        source=source,
        steps=_STEPS[options.step],
        trust=options.trust,
        custom_objects=options.custom_objects,
        batch_size=options.batch_size,
        search_path=_search_path(source, options),
        inputs=tuple(map(InputSpec.parse, options.inputs)),
        input_file=options.input_file,
        shapes=tuple(map(AssumedShape.parse, options.assume_shapes)),
        signature=options.signature,
        memory=options.memory,
        log_folder=str(log_folder) if log_folder is not None else None,
    )


def _beside(chosen: Sequence[Target], replies: Mapping[str, WorkerReply]) -> tuple[str, ...]:
    """Which TensorFlow the emulated devices ran beside, where that is worth a word."""
    found = (emulated_beside(replies[t.spec].environment, t) for t in chosen)
    return tuple(dict.fromkeys(note for note in found if note is not None))


def _search_path(source: ModelSource, options: Options) -> tuple[str, ...]:
    """Where this process finds modules, for a worker that is to import the user's own."""
    if not options.custom_objects and source.format != "factory":
        return ()
    return (*sys.path, str(Path.cwd()))


def _as_here(reply: WorkerReply) -> WorkerReply:
    """An emulated accelerator is none of this machine's."""
    if reply.environment.emulated is None:
        return reply
    here = msgspec.structs.replace(reply.environment, accelerators=())
    return msgspec.structs.replace(reply, environment=here)


def _applicable(reply: WorkerReply, options: Options) -> WorkerReply:
    """Without the steps that the model does not have, unless they were asked for by name.

    A frozen graph has no training step: that is a note on the model, not a gap in the report.
    """
    absent = [step for step in reply.steps if step.graph is None and step.error is None]
    if options.step != "both" or len(absent) == len(reply.steps):
        return reply
    return msgspec.structs.replace(
        reply,
        steps=tuple(step for step in reply.steps if step not in absent),
        notes=reply.notes + tuple(note for step in absent for note in step.notes),
    )


def _judge(
    source: ModelSource,
    reply: WorkerReply,
    step: TracedStep,
    target: Target,
    options: Options,
) -> Result:
    """One step on one target."""
    layers = reply.layers or source.layers
    subject = partial(
        Subject,
        source,
        layers,
        reply.environment,
        target,
        step.step,
        optimizer=step.optimizer,
        jit_compile=step.jit_compile,
    )
    if step.graph is None:
        why = step.error or " ".join(step.notes) or "The step could not be traced."
        return build.result(subject((), (why,)), step, None)
    # The graph as it is where there is an accelerator of that device type. Keras writes another
    # one where there is a GPU, and a DML is none.
    raw = step.graph if target.device_type == "GPU" else step.executed_graph or step.graph
    ops = graph.flatten(raw, name=step.step, layers=layers, device_type=target.device_type)
    opaque = {what.layer: what.message for what in reply.replaced if what.layer is not None}
    predicted = placement.predict_all(
        ops, target, opaque=opaque, soft_placement=options.soft_placement
    )
    placements = predicted.ops
    gaps = ops.notes + _replaced(step, reply) + _unseen(ops, opaque)
    compared = None
    if options.evidence != "predicted":
        traced = placement.trace(ops, placements, step, target, reply.environment)
        if traced.evidence is None and options.evidence != "auto":
            raise CannotCheckError(
                f"{target.label} could not be traced: TensorFlow lists no such device here.",
                hint="Use --evidence predicted.",
            )
        placements, compared, gaps = traced.placements, traced.compared, gaps + traced.gaps
    costs = cost.assess(ops, placements, predicted.added, batch=step.batch_size)
    if reply.environment.emulated is not None:
        measured = cost.measured(ops, costs.ops, step.times, "CPU")
        costs = msgspec.structs.replace(costs, ops=measured)
    placed = tuple(
        PlacedOp(op, where, how_bad, each)
        for op, where, how_bad, each in zip(
            ops.ops, placements, severities(ops.ops, placements, costs), costs.ops, strict=True
        )
        if op.live or where.verdict == "fails"  # the others are placed, and pruned before they run
    )
    return build.result(subject(placed, gaps, costs.step, costs.flows), step, compared)


def _unseen(ops: graph.ModelGraph, opaque: Mapping[str, str]) -> tuple[str, ...]:
    """What is not analysed and has no op of its own that would say so.

    Keras 3's TimeDistributed, for one, runs its layer without calling it.
    """
    seen = {op.layer_path for op in ops.ops}
    return tuple(message for layer, message in opaque.items() if layer not in seen)


def _replaced(step: TracedStep, reply: WorkerReply) -> tuple[str, ...]:
    """What of the step is opcheck's and not the file's: a custom loss of the training step, and of
    every step what a model of a class of its own does in a ``call`` that the file does not hold."""
    of_the_model = [what for what in reply.replaced if what.layer is None]
    return tuple(
        f"{what.message} Name the module that defines it: --custom-objects package.module."
        if what.code == "custom-layer"
        else what.message
        for what in of_the_model
        if step.step == "training" or what.code == "custom-layer"
    )
