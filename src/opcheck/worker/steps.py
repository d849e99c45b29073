"""Traces one step as a concrete function, and runs it once with the device log on."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from opcheck.worker.accelerated import pretended_gpu, variables_there
from opcheck.worker.device_log import read_device_log
from opcheck.worker.inputs import example
from opcheck.worker.protocol import DeviceLogEntry, Step, TracedStep
from opcheck.worker.raw_graph import raw_graph

_EXCEPTION = re.compile(r"[A-Z]\w*(Error|Exception|Interrupt): ")
_ROOTS = re.compile(r"\d+ root error\(s\) found\.$")
_ROOT = re.compile(r"^\(\d+\) [A-Z_]+:\s*")
_OUR_ATTRS = re.compile(r'(, )?_opcheck_\w+="[^"]*"(?(1)|(, )?)')  # see attribution.py
_CAUSE = "Exception encountered: "
_LONGEST = 500  # characters of an error


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
    graph = raw_graph(concrete, moved=variables_there())
    executed_graph = None
    entries: tuple[DeviceLogEntry, ...] = ()
    error = None
    if questions.asked:
        with function.recording():
            concrete = _concrete(function)
        executed_graph = raw_graph(concrete)
    try:
        entries = _run(concrete, function, log, batch_size)
    except Exception as failure:
        error = first_line(failure)
    return TracedStep(
        step=function.step,
        graph=graph,
        executed_graph=executed_graph,
        placements=entries,
        executed=error is None,
        error=error,
        loss=function.loss,
        optimizer=function.optimizer,
        defaults=function.defaults,
        notes=function.notes,
    )


def first_line(error: BaseException) -> str:
    """An exception as one line a person can read."""
    text = str(error).partition("Call arguments received by")[0]  # Keras' own appendix
    text = _OUR_ATTRS.sub("", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Keras 3 wraps what went wrong, layer by layer; the innermost is what it is about.
    causes = [line.partition(_CAUSE)[2] for line in lines if line.startswith(_CAUSE)]
    if causes:
        return f"{type(error).__name__}: {causes[-1]}"[:_LONGEST]
    if lines and lines[0] == "in user code:":  # AutoGraph: a traceback, then the message
        named = [line for line in lines if _EXCEPTION.match(line)]
        return (named or lines)[-1][:_LONGEST]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):  # Keras
        lines = [" ".join(lines[:2])]
    if lines and lines[0] == "Graph execution error:":  # TensorFlow: where from, then the message
        nodes = [at for at, line in enumerate(lines) if line.startswith("Node: '")]
        said = [line for line in lines[max(nodes, default=0) + 1 :] if not _ROOTS.match(line)]
        lines = [_ROOT.sub("", line) for line in said] or lines
    return f"{type(error).__name__}: {lines[0]}"[:_LONGEST] if lines else type(error).__name__


def _concrete(function: StepFunction) -> Any:
    return tf.function(function.make()).get_concrete_function(*function.specs)


def _run(
    concrete: Any, function: StepFunction, log: Path, batch_size: int
) -> tuple[DeviceLogEntry, ...]:
    arguments = [
        tf.nest.map_structure(lambda spec, y=label: example(spec, batch_size, label=y), specs)
        for specs, label in zip(function.specs, function.labels, strict=True)
    ]
    _flush()
    offset = log.stat().st_size
    concrete(*arguments)
    _flush()
    return read_device_log(log, offset)


def _flush() -> None:
    sys.stderr.flush()
    with contextlib.suppress(OSError):  # not a file when run by hand
        os.fsync(2)
