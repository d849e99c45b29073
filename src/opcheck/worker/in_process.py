"""Traces a live model in the caller's own process, for models that no other can rebuild.

Only the graphs are made: the step does not run, so no weight changes, and verdicts are predicted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from opcheck.config import EvidenceChoice
from opcheck.errors import BuildError, UsageError
from opcheck.targets import Target
from opcheck.worker.devices import Traces
from opcheck.worker.protocol import TracedStep, WorkerReply, WorkerRequest

_NOTE = "Traced in the caller's process, where the step does not run: verdicts are predicted."


def trace(
    model: Any,
    request: WorkerRequest,
    targets: Mapping[str, Target],
    evidence: EvidenceChoice,
    *,
    timeout: float,  # noqa: ARG001 - what cannot be ended has no time limit
    progress: Callable[[str], None],
) -> Traces:
    """The graphs of ``model`` for every target.

    Raises:
        UsageError: ``evidence`` asks for a run, or a training step that the model is not compiled
            for.
        BuildError: Keras cannot trace the inference function.
    """
    if evidence in ("traced", "both"):
        raise UsageError(
            f"In this process nothing runs, so evidence is predicted, not {evidence}.",
            hint="Leave out in_process, or ask for evidence='auto'.",
        )
    from opcheck.worker.build import built_from
    from opcheck.worker.messages import first_line
    from opcheck.worker.session import environment, makers_of

    tf = sys.modules["tensorflow"]
    built = built_from(model, request)
    makers = makers_of(built)
    steps: list[TracedStep] = []
    for step in request.steps:
        if step == "training" and getattr(model, "optimizer", None) is None:
            if len(request.steps) == 1:
                raise UsageError(
                    "The model is not compiled, and in this process it stays as it is.",
                    hint="Compile it, or leave out in_process.",
                )
            steps.append(TracedStep(step, None, notes=("No training step: it is not compiled.",)))
            continue
        progress(f"tracing the {step} step")
        try:
            steps.append(_graph(makers[step](), request))
        except Exception as error:
            if step == "inference":
                message = f"{request.source.path} could not be traced: {first_line(error)}."
                raise BuildError(message) from error
            steps.append(TracedStep(step, None, error=first_line(error)))
    reply = WorkerReply(environment(tf, built.api), built.layers, tuple(steps), (), built.notes)
    return Traces(dict.fromkeys(targets, reply), (_NOTE,))


def _graph(function: Any, request: WorkerRequest) -> TracedStep:
    from opcheck.worker.inputs import given
    from opcheck.worker.steps import graph_of

    return graph_of(function, given(request))
