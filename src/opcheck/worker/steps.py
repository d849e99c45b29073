"""Traces one step as a concrete function, and runs it once with the device log on."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import tensorflow as tf

from opcheck.worker import grappler
from opcheck.worker.accelerated import pretended_gpu, variables_there
from opcheck.worker.device_log import read_device_log
from opcheck.worker.embeddings import gathers, index_bounds
from opcheck.worker.inputs import Inputs, example, filled
from opcheck.worker.messages import failed_op, first_line, refused
from opcheck.worker.protocol import OpTime, Step, TracedStep
from opcheck.worker.raw_graph import raw_graph
from opcheck.worker.tensorboard import graphs_kept, record

Lookups = list[tuple[Any, int]]


@dataclass(frozen=True)
class StepFunction:
    """``make`` gives a fresh Python function; ``specs`` are its arguments' (nested) TensorSpecs.

    ``recording`` is the context in which to trace; it gives the Embedding lookups there were
    (see `index_bounds`), or ``None`` where only the graph tells. ``labels`` says which arguments
    are labels; ``names`` are those of the inputs in the others, in order. ``outputs`` calls the
    model, whose outputs labels must fit. ``gaps`` say what of the graph is not the model's. What
    the function calls has its variables and tables no longer than their ``owner`` lives.
    """

    step: Step
    make: Callable[[], Callable[..., Any]]
    specs: tuple[Any, ...]
    recording: Callable[[], contextlib.AbstractContextManager[Lookups | None]]
    labels: tuple[bool, ...]
    names: tuple[str, ...]
    outputs: Callable[[Any], Any] | None = None
    loss: str | None = None
    optimizer: str | None = None
    defaults: tuple[str, ...] = ()
    jit_compile: bool = False
    gaps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    owner: object = None


def trace(
    function: StepFunction, log: Path, inputs: Inputs, log_folder: Path | None = None
) -> TracedStep:
    """Trace ``function`` as on a machine with an accelerator, then run it here on ``inputs``.

    With a ``log_folder`` it is run once more, for a TensorBoard log. Where Keras' graph depends on
    the devices there are, it is traced once more for the run.

    Raises:
        UsageError: ``inputs`` are not those of the model.
        Exception: whatever Keras or TensorFlow raise while they trace.
    """
    function = _fitted(function, inputs)
    with function.recording() as lookups, pretended_gpu() as questions:
        concrete = _concrete(function)
    traced = _traced(function, concrete, inputs)
    executed_graph = None
    error: Exception | None = None
    if questions.asked:
        with function.recording() as lookups:
            concrete = _concrete(function)
        executed_graph = raw_graph(concrete, moved=variables_there())
    lookups = gathers(concrete.graph) if lookups is None else lookups
    arguments = _arguments(function, inputs, index_bounds(concrete.inputs, lookups))
    grappler.switch_off(executed_graph or traced.graph)
    _flush()
    offset = log.stat().st_size
    times: tuple[OpTime, ...] = ()
    with graphs_kept() if log_folder is not None else contextlib.nullcontext():
        try:
            concrete(*arguments)
        except Exception as failure:
            error = failure
        _flush()
        placements, zeros = read_device_log(log, offset)
        if log_folder is not None and error is None:
            times = record(lambda: concrete(*arguments), log_folder / function.step, function.step)
    return msgspec.structs.replace(
        traced,
        executed_graph=executed_graph,
        placements=placements,
        executed=error is None,
        error=first_line(error) if error else None,
        error_op=failed_op(error) if error else None,
        refused=refused(error) if error else False,
        zeros=zeros,
        times=times,
    )


def graph_of(function: StepFunction, inputs: Inputs) -> TracedStep:
    """Trace ``function`` as on a machine with an accelerator, and do not run it.

    Raises what `trace` does.
    """
    function = _fitted(function, inputs)
    with function.recording(), pretended_gpu():
        concrete = _concrete(function)
    return _traced(function, concrete, inputs)


def _traced(function: StepFunction, concrete: Any, inputs: Inputs) -> TracedStep:
    """The step before it runs."""
    graph = raw_graph(concrete, inputs.batch, moved=variables_there())
    return TracedStep(
        step=function.step,
        graph=msgspec.structs.replace(graph, notes=graph.notes + function.gaps),
        batch_size=inputs.batch,
        loss=function.loss,
        optimizer=function.optimizer,
        defaults=function.defaults,
        jit_compile=function.jit_compile,
        notes=function.notes,
    )


def _concrete(function: StepFunction) -> Any:
    return tf.function(function.make()).get_concrete_function(*function.specs)


def _fitted(function: StepFunction, inputs: Inputs) -> StepFunction:
    """``function`` with what is said of its inputs in their specs."""
    arguments = [a for a, label in zip(function.specs, function.labels, strict=True) if not label]
    fitted = iter(inputs.fitted(function.names, tf.nest.flatten(arguments)))
    specs = tuple(
        argument if label else tf.nest.map_structure(lambda _: next(fitted), argument)
        for argument, label in zip(function.specs, function.labels, strict=True)
    )
    return replace(function, specs=specs)


def _arguments(function: StepFunction, inputs: Inputs, bounds: Sequence[int | None]) -> list[Any]:
    """A value for each argument; ``bounds`` are those of the flat inputs."""
    named = iter(zip(function.names, bounds))  # noqa: B905  bounds has more: captured tensors
    values: list[Any] = []
    for specs, label in zip(function.specs, function.labels, strict=True):
        if label:
            values.append(_labels(function, specs, values[0], inputs.batch))
        else:
            values.append(tf.nest.map_structure(lambda s: inputs.value(s, *next(named)), specs))
    return values


def _labels(function: StepFunction, specs: Any, x: Any, batch: int) -> Any:
    """Class 0, or floats, in the shape of the model's outputs."""
    flat = tf.nest.flatten(specs)
    shapes = [filled(spec.shape, batch) for spec in flat]
    if function.outputs and any(None in spec.shape.as_list()[1:] for spec in flat):
        outputs = tf.nest.flatten(function.outputs(x))
        shapes = [
            output.shape.as_list()[: len(shape)]
            for output, shape in zip(outputs, shapes, strict=True)
        ]
    values = [
        example(shape, spec.dtype, below=None if spec.dtype.is_floating else 1)
        for shape, spec in zip(shapes, flat, strict=True)
    ]
    return tf.nest.pack_sequence_as(specs, values)


def _flush() -> None:
    sys.stderr.flush()
    with contextlib.suppress(OSError):  # not a file when run by hand
        os.fsync(2)
