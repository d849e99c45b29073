"""Traces one step as a concrete function, and runs it once with the device log on."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from opcheck.worker.accelerated import pretended_gpu, variables_there
from opcheck.worker.device_log import read_device_log
from opcheck.worker.inputs import example
from opcheck.worker.messages import failed_op, first_line, refused
from opcheck.worker.protocol import Step, TracedStep
from opcheck.worker.raw_graph import raw_graph


@dataclass(frozen=True)
class StepFunction:
    """``make`` gives a fresh Python function; ``specs`` are its arguments' (nested) TensorSpecs.

    ``recording`` is the context in which to trace; ``labels`` says which arguments are labels.
    """

    step: Step
    make: Callable[[], Callable[..., Any]]
    specs: tuple[Any, ...]
    recording: Callable[[], Any]
    labels: tuple[bool, ...]
    loss: str | None = None
    optimizer: str | None = None
    defaults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def trace(function: StepFunction, log: Path, batch_size: int) -> TracedStep:
    """Trace ``function`` as on a machine with an accelerator, then run it here.

    Where Keras' graph depends on the devices there are, it is traced once more for the run.
    """
    with function.recording(), pretended_gpu() as questions:
        concrete = _concrete(function)
    graph = raw_graph(concrete, batch_size, moved=variables_there())
    executed_graph = None
    error: Exception | None = None
    if questions.asked:
        with function.recording():
            concrete = _concrete(function)
        executed_graph = raw_graph(concrete)
    arguments = _arguments(function, batch_size)
    _flush()
    offset = log.stat().st_size
    try:
        concrete(*arguments)
    except Exception as failure:
        error = failure
    _flush()
    return TracedStep(
        step=function.step,
        graph=graph,
        executed_graph=executed_graph,
        placements=read_device_log(log, offset),
        executed=error is None,
        error=first_line(error) if error else None,
        error_op=failed_op(error) if error else None,
        refused=refused(error) if error else False,
        loss=function.loss,
        optimizer=function.optimizer,
        defaults=function.defaults,
        notes=function.notes,
    )


def _concrete(function: StepFunction) -> Any:
    return tf.function(function.make()).get_concrete_function(*function.specs)


def _arguments(function: StepFunction, batch_size: int) -> list[Any]:
    return [
        tf.nest.map_structure(lambda spec, y=label: example(spec, batch_size, label=y), specs)
        for specs, label in zip(function.specs, function.labels, strict=True)
    ]


def _flush() -> None:
    sys.stderr.flush()
    with contextlib.suppress(OSError):  # not a file when run by hand
        os.fsync(2)
