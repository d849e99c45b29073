"""What Python code calls: files, live models and factories in, a Report out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from opcheck import loading, pipeline, worker
from opcheck.config import Options
from opcheck.errors import UsageError
from opcheck.formats import notebook
from opcheck.loading.types import ModelSource
from opcheck.report import Inspection, types

if TYPE_CHECKING:
    import pandas as pd

_DEFAULTS = Options()


class Report(types.Report, frozen=True):
    """A report, with what a notebook makes of it."""

    def _repr_html_(self) -> str:
        return notebook.render(self)

    def to_dataframe(self) -> pd.DataFrame:
        """One row an op of each result: target, step, layer, op, name, dtypes, verdict, evidence,
        severity, reason, flops, bytes, copies.

        ``layer`` is None for an op of no layer, ``severity`` for one that is on the accelerator.
        ``dtypes`` is a dict, attribute -> dtype or tuple of dtypes. ``flops``, ``bytes`` and
        ``copies`` are of one step, None where they are not known; ``copies`` are those between host
        and device memory that its tensors take part in. Raises UsageError when pandas is not
        installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise UsageError(
                "to_dataframe needs pandas.", hint="pip install pandas, or go through .results."
            ) from error
        return pd.DataFrame.from_records(
            [
                {
                    "target": result.target,
                    "step": result.step,
                    "layer": op.layer,
                    "op": op.op,
                    "name": op.name,
                    "dtypes": op.dtypes,
                    "verdict": op.verdict,
                    "evidence": op.evidence,
                    "severity": op.severity,
                    "reason": op.reason.message,
                    "flops": op.cost.of_a_step(op.cost.flops),
                    "bytes": op.cost.of_a_step(op.cost.bytes),
                    "copies": op.cost.crossings,
                }
                for result in self.results
                for op in result.ops
            ]
        )


def check(
    model: object,
    targets: str | Sequence[str] = (),
    options: Options = _DEFAULTS,
    progress: Callable[[str], None] | None = None,
    *,
    in_process: bool = False,
) -> Report:
    """Which ops of a model leave the accelerator on each target, and why.

    ``model`` is a path, ``"package.module:function"``, a live ``keras.Model``, or a function
    without arguments that returns one. A live model is rebuilt from its config in a process of its
    own; its modules are imported there and its Lambda layers run, as they do here. ``targets`` are
    names such as ``"metal@1.2.0"``; without any, ``options.targets`` count, then this machine's own
    accelerator, then the newest of each plugin. ``progress`` is called with each stage's name.

    ``in_process`` traces a live model here, without running or changing it: for classes of a
    notebook or a main script, which no other process can import. Verdicts are then predicted.

    Raises OpcheckError (see ``opcheck.errors``) when no report can be made.
    """
    specs = (targets,) if isinstance(targets, str) else tuple(targets)
    if in_process:
        live = _live(model)
        trace = partial(worker.trace_in_process, live)
        report = pipeline.check(loading.describe_live(live), specs, options, progress, trace)
    else:
        source, needed = source_of(model, options)
        report = pipeline.check(source, specs, needed, progress)
    return public(report)


def public(report: types.Report) -> Report:
    """The same, as Python code gets it."""
    return Report(**msgspec.structs.asdict(report))


def inspect(model: object) -> Inspection:
    """The layers and hazards of what ``check`` takes; a file is read as data and nothing runs."""
    source, _ = source_of(model, _DEFAULTS)
    return pipeline.inspect(source)


def source_of(model: object, options: Options) -> tuple[str | ModelSource, Options]:
    """What the pipeline takes for ``model``, and the options that checking it needs."""
    if isinstance(model, (str, os.PathLike)):
        return os.fspath(model), options
    live = loading.read_live(_live(model))
    modules = dict.fromkeys((*options.custom_objects, *live.modules))
    return live.source, msgspec.structs.replace(options, trust=True, custom_objects=tuple(modules))


def _live(model: object) -> object:
    """The model, or the one that a function makes. Raises UsageError for anything else."""
    if not loading.is_model(model) and callable(model):
        model = model()
    if not loading.is_model(model):
        raise UsageError(
            f"{type(model).__name__} is no model.",
            hint="Give a path, a keras.Model, or a function that returns one.",
        )
    return model
