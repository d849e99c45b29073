"""Loss, optimizer and labels of the training step: the file's own, or a default that is named."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from opcheck.worker.compile_config import compile_as_stored, stores_an_optimizer
from opcheck.worker.keras_api import KerasApi
from opcheck.worker.messages import first_line

if TYPE_CHECKING:
    from opcheck.worker.build import BuiltModel

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
    jit_compile: bool


def prepare(built: BuiltModel) -> Training:
    """Compile the model (unless a factory already did) and create the variables of its step."""
    model, api, stored = built.model, built.api, built.compile_config
    defaults: list[str] = []
    notes: list[str] = []
    compiled = _is_compiled(model, api)
    if not compiled and stored is not None:
        try:
            compile_as_stored(model, api, stored, otherwise=DEFAULT_OPTIMIZER)
            compiled = _is_compiled(model, api)
            defaults = [] if stores_an_optimizer(stored) else ["optimizer"]
        except Exception as error:
            notes.append(f"The stored loss and optimizer could not be rebuilt: {first_line(error)}")
    if not compiled:
        optimizer = getattr(model, "optimizer", None) or DEFAULT_OPTIMIZER
        defaults = ["loss", *(["optimizer"] if isinstance(optimizer, str) else defaults)]
        model.compile(optimizer=optimizer, loss=DEFAULT_LOSS)
    jit_compile = _asks_for_xla(model, api, stored)
    if jit_compile:
        notes.append("The model asks for jit_compile=True; the step was traced without XLA.")
    if getattr(model, "run_eagerly", False):
        notes.append("The model runs eagerly (run_eagerly=True); it was traced as a function.")
    labels = _labels(model, built.signature.outputs)
    _create_variables(model, labels)
    names = sorted({_name(loss) for loss in tf.nest.flatten(_loss(model)) if loss is not None})
    return Training(
        ", ".join(names) or "none",
        type(model.optimizer).__name__,
        tuple(defaults),
        tuple(notes),
        labels,
        jit_compile,
    )


def _asks_for_xla(model: Any, api: KerasApi, stored: dict[str, Any] | None) -> bool:
    """Of a live model only Keras 2 tells: Keras 3 may have chosen so for the devices here."""
    if stored is not None:
        return stored.get("jit_compile") is True
    return api.major < 3 and getattr(model, "_jit_compile", None) is True


def _is_compiled(model: Any, api: KerasApi) -> bool:
    """Whether its step can run. A train_step of its own may need no loss."""
    own_step = type(model).train_step is not api.module.Model.train_step
    return getattr(model, "optimizer", None) is not None and (own_step or _loss(model) is not None)


def _loss(model: Any) -> Any:
    return getattr(model, "loss", None)


def _name(loss: Any) -> str:
    if isinstance(loss, str):
        return loss
    name = getattr(loss, "__name__", None) or type(loss).__name__
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name)).lower()


def _labels(model: Any, outputs: Any) -> Any:
    """Label specs: class indices for a sparse loss, else the output's own shape and dtype."""
    flat = tf.nest.flatten(outputs)
    names = sorted(outputs) if isinstance(outputs, dict) else []
    losses = _per_output(model, list(getattr(model, "output_names", None) or names), len(flat))
    specs = [_label(output, _name(loss)) for output, loss in zip(flat, losses, strict=True)]
    return tf.nest.pack_sequence_as(outputs, specs)


def _label(output: tf.TensorSpec, loss: str) -> tf.TensorSpec:
    if "sparse" in loss:
        return tf.TensorSpec(output.shape[:-1], "int32")
    return tf.TensorSpec(output.shape, output.dtype)


def _per_output(model: Any, names: list[str], count: int) -> list[Any]:
    loss = _loss(model)
    if isinstance(loss, dict):
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
