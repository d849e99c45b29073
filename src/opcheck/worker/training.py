"""Loss, optimizer and labels of the training step: the file's own, or a default that is named."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from opcheck.worker.compile_config import compile_as_stored
from opcheck.worker.inputs import spec_of, structure_of
from opcheck.worker.keras_api import KerasApi
from opcheck.worker.messages import first_line

DEFAULT_LOSS = "mean_squared_error"
DEFAULT_OPTIMIZER = "adam"


@dataclass(frozen=True)
class Training:
    """``defaults`` names what opcheck chose; ``labels`` is in the structure of the outputs."""

    loss: str
    optimizer: str
    defaults: tuple[str, ...]
    notes: tuple[str, ...]
    labels: Any


def prepare(model: Any, api: KerasApi, stored: dict[str, Any] | None) -> Training:
    """Compile ``model`` (unless a factory already did) and create the variables of its step."""
    defaults: list[str] = []
    notes: list[str] = []
    compiled = getattr(model, "optimizer", None) is not None and _loss(model) is not None
    if not compiled and stored is not None:
        try:
            compile_as_stored(model, api, stored)
            compiled = _loss(model) is not None and model.optimizer is not None
        except Exception as error:
            notes.append(f"The stored loss and optimizer could not be rebuilt: {first_line(error)}")
    if not compiled:
        optimizer = getattr(model, "optimizer", None) or DEFAULT_OPTIMIZER
        defaults = ["loss"] if not isinstance(optimizer, str) else ["loss", "optimizer"]
        model.compile(optimizer=optimizer, loss=DEFAULT_LOSS)
    if stored is not None and stored.get("jit_compile") is True:
        notes.append("The file asks for jit_compile=True; the step was traced without XLA.")
    labels = _labels(model)
    _create_variables(model, labels)
    names = sorted({_name(loss) for loss in tf.nest.flatten(_loss(model)) if loss is not None})
    return Training(
        ", ".join(names) or "none",
        type(model.optimizer).__name__,
        tuple(defaults),
        tuple(notes),
        labels,
    )


def _loss(model: Any) -> Any:
    return getattr(model, "loss", None)


def _name(loss: Any) -> str:
    if isinstance(loss, str):
        return loss
    name = getattr(loss, "__name__", None) or type(loss).__name__
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name)).lower()


def _labels(model: Any) -> Any:
    """Label specs: class indices for a sparse loss, else the output's own shape and dtype."""
    structure = structure_of(model, "outputs")
    outputs = tf.nest.flatten(structure)
    losses = _per_output(model, len(outputs))
    specs = [
        _label(spec_of(output), _name(loss)) for output, loss in zip(outputs, losses, strict=True)
    ]
    return tf.nest.pack_sequence_as(structure, specs)


def _label(output: tf.TensorSpec, loss: str) -> tf.TensorSpec:
    if "sparse" in loss:
        return tf.TensorSpec(output.shape[:-1], "int32")
    return tf.TensorSpec(output.shape, output.dtype)


def _per_output(model: Any, count: int) -> list[Any]:
    loss = _loss(model)
    if isinstance(loss, dict):
        names = list(getattr(model, "output_names", ()))
        return [loss.get(name, "") for name in names] if len(names) == count else [""] * count
    if isinstance(loss, (list, tuple)):
        return list(loss) if len(loss) == count else [""] * count
    return [loss] * count


def _create_variables(model: Any, labels: Any) -> None:
    """Make the optimizer's and metrics' variables now, as ``fit`` does before it traces.

    A function that makes variables while it is traced is traced twice. Best effort: whatever a
    version names otherwise is made during the trace instead.
    """
    optimizer = model.optimizer
    with contextlib.suppress(AttributeError, NotImplementedError, TypeError):
        if hasattr(optimizer, "build"):
            optimizer.build(model.trainable_variables)
        else:
            optimizer.iterations  # noqa: B018  a property that creates the counter
            optimizer._create_all_weights(model.trainable_variables)
    with contextlib.suppress(AttributeError, NotImplementedError, TypeError, ValueError):
        outputs = getattr(model, "_nested_outputs", None)
        if outputs is not None and hasattr(model, "compiled_metrics"):  # Keras 2
            model.compiled_loss.build(outputs)
            model.compiled_metrics.build(outputs, labels)
