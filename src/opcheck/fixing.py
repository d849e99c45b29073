"""``opcheck fix``: rewrite a model for a target, prove it, and put it in place, whole or not at
all."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from opcheck import loading, pipeline, targets, worker
from opcheck.config import Options
from opcheck.errors import CannotFixError, RefusedModelError, UsageError
from opcheck.interrupts import temporary_folder
from opcheck.loading.types import ModelSource
from opcheck.report import Report
from opcheck.worker.protocol import FixReply, FixRequest

ENDINGS = (".keras", ".h5")


@dataclass(frozen=True)
class Fixed:
    """``before`` and ``after`` are the reports on the two files."""

    output: str
    target: str
    reply: FixReply
    before: Report
    after: Report


def fix(
    model: str,
    target_spec: str,
    output: str,
    options: Options,
    progress: Callable[[str], None],
) -> Fixed:
    """Write ``output``: ``model`` with the layers rewritten that no judgement is needed for.

    What is at ``output`` is replaced: see to it before that it is not ``model``.

    Raises:
        UsageError: ``output`` has the wrong ending.
        CannotFixError: nothing to rewrite, other numbers, or no better than before.
        RefusedModelError: the file's weights are kept elsewhere, or cannot be looked through.
        OpcheckError: what a check of the model raises.
    """
    destination = _destination(output)
    target = targets.resolve(target_spec, nearest=options.nearest)
    source = loading.read(model)
    if source.format not in ("hdf5", "keras"):
        raise CannotFixError(
            f"{model} is no .keras or .h5 file.", hint="opcheck check says what to do by hand."
        )
    _refuse_weights(source)
    checking = msgspec.structs.replace(options, evidence="predicted", baseline=None)
    before = pipeline.check(source, (target.spec,), checking, progress)
    with temporary_folder(".opcheck-fix-", destination.parent) as folder:
        new = folder / destination.name
        request = FixRequest(
            pipeline.worker_request(source, options), target.spec, _trouble(before), str(new)
        )
        reply = worker.fix(request, timeout=options.timeout, progress=progress)
        after = pipeline.check(str(new), (target.spec,), checking, progress)
        if _trouble_left(after) >= _trouble_left(before) and not _of_the_model(reply):
            raise CannotFixError(
                f"Rewritten, the model would do no better on {target.label}.",
                hint="Nothing was written. Please report it with the model's config.",
            )
        os.replace(new, destination)  # noqa: PTH105 - whole or not at all
    return Fixed(output, target.label, reply, before, after)


def _refuse_weights(source: ModelSource) -> None:
    """The only command that lets Keras load weights, and most Kerases follow links out of a file:
    what they lead to would end up in the copy (CVE-2026-1669)."""
    for hazard in source.hazards:
        if hazard.code in ("external-file", "oversized-weights", "unread-weights"):
            raise RefusedModelError(
                hazard.message,
                hint="Load and save it with the Keras that wrote it, if you trust it.",
            )


def _trouble_left(report: Report) -> tuple[int, int, int]:
    """How many ops fail, how many leave the accelerator and matter, and how many leave it at all:
    fewer of the first is better, however many there are of the others."""
    summaries = [result.summary for result in report.results]
    return (
        sum(s.fails for s in summaries),
        sum(s.matter for s in summaries),
        sum(s.leave for s in summaries),
    )


def _of_the_model(reply: FixReply) -> bool:
    """Whether the model itself was changed, which helps even where no op moves."""
    return any(change.path == "" for change in reply.changed)


def _trouble(report: Report) -> tuple[tuple[str, str], ...]:
    """The layers with ops off the accelerator, however cheap, and those ops' types."""
    return tuple(
        dict.fromkeys(
            (op.layer, op.op)
            for result in report.results
            for op in result.ops
            if op.layer is not None and op.verdict not in ("accelerator", "unknown")
        )
    )


def _destination(output: str) -> Path:
    destination = Path(output)
    if destination.suffix not in ENDINGS:
        raise UsageError(f"-o {output} must end in {' or '.join(ENDINGS)}.")
    return destination.resolve()
