"""What a model is called with and what it gives: of a subclassed one, what it was built for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from opcheck.worker.inputs import Inputs, example, filled, name_of, spec_of, structure_of

_Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    """``inputs`` and ``outputs`` are TensorSpecs, nested as the model takes and gives them;
    ``names`` are those of the flat inputs, in order. ``gaps`` say which are not as the model has
    them."""

    inputs: Any
    names: tuple[str, ...]
    outputs: Any
    gaps: tuple[str, ...] = ()


def signature_of(model: Any, inputs: Inputs) -> Signature | None:
    """``None`` for a subclassed model that was never called, and of whose ``inputs`` nothing is
    said. One of which all is said is called once, and so built. Where nobody says of what dtype its
    inputs are, they are of float32, which leaves a gap.

    Raises:
        Exception: what a subclassed model raises when it is traced.
    """
    if getattr(model, "inputs", None):
        structure = structure_of(model, "inputs")
        flat = tf.nest.flatten(structure)
        return Signature(
            tf.nest.map_structure(spec_of, structure),
            tuple(map(name_of, flat)),
            tf.nest.map_structure(spec_of, structure_of(model, "outputs")),
            tuple(gap for tensor in flat if (gap := _not_dense(tensor)) is not None),
        )
    typed = _saved_spec(model) is not None
    specs = _built_for(model)
    names = _names(model, specs)
    if specs is None:
        specs, names = _said(inputs)
        if not names:
            return None
        model(
            tf.nest.map_structure(lambda s: example(filled(s.shape, inputs.batch), s.dtype), specs)
        )
    else:
        fitted = inputs.fitted(names, tf.nest.flatten(specs))
        if not typed:
            fitted = [
                tf.TensorSpec(spec.shape, inputs.dtype_said(name) or spec.dtype)
                for name, spec in zip(names, fitted, strict=True)
            ]
        specs = tf.nest.pack_sequence_as(specs, fitted)
    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(specs)
    outputs = tf.nest.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), traced.structured_outputs
    )
    gaps = tuple(
        _assumed(name, filled(spec.shape, inputs.batch))
        for name, spec in zip(names, tf.nest.flatten(specs), strict=True)
        if not typed and inputs.dtype_said(name) is None
    )
    return Signature(specs, names, outputs, gaps)


def _assumed(name: str, shape: Sequence[int]) -> str:
    sizes = ",".join(map(str, shape))
    return (
        f"The dtype of the input '{name}' is not known; it was traced as float32. Say what it is: "
        f"--input {name}={sizes}:float32, or :int32."
    )


def _not_dense(tensor: Any) -> str | None:
    spec = getattr(tensor, "type_spec", None)  # Keras 2; Keras 3 has attributes
    for kind, composite in (("sparse", tf.SparseTensorSpec), ("ragged", tf.RaggedTensorSpec)):
        if isinstance(spec, composite) or getattr(tensor, kind, False):
            return (
                f"The input '{name_of(tensor)}' is {kind}; it was traced as a dense tensor, with "
                "other ops."
            )
    return None


def _built_for(model: Any) -> Any:
    """What a subclassed model was called with, the batch left open; Keras 3 keeps no dtypes."""
    saved = _saved_spec(model)
    if saved is not None:
        return tf.nest.map_structure(lambda s: _open(s.shape.as_list(), s.dtype), saved)
    shapes = getattr(model, "_build_shapes_dict", None)  # Keras 3
    if not shapes or len(shapes) > 1:
        return None
    return _of_shapes(next(iter(shapes.values())))


def _saved_spec(model: Any) -> Any:
    """Shapes and dtypes of what a subclassed model of Keras 2 was called with."""
    return getattr(model, "_saved_model_inputs_spec", None)


def _of_shapes(shapes: Any) -> Any:
    if isinstance(shapes, Mapping):
        return {key: _of_shapes(shape) for key, shape in shapes.items()}
    if all(size is None or isinstance(size, int) for size in shapes):
        return _open(shapes, tf.float32)
    return [_of_shapes(shape) for shape in shapes]


def _open(shape: Any, dtype: Any) -> tf.TensorSpec:
    return tf.TensorSpec([None, *shape[1:]] if len(shape) else [], dtype)


def _names(model: Any, specs: Any) -> tuple[str, ...]:
    """The keys of a dictionary; otherwise the argument's name, numbered where it is several."""
    if isinstance(specs, Mapping):
        return tuple(sorted(map(str, specs)))
    argument = next(iter(inspect.signature(model.call).parameters), "input")
    count = len(tf.nest.flatten(specs))
    return (argument,) if count == 1 else tuple(f"{argument}_{i}" for i in range(count))


def _said(inputs: Inputs) -> tuple[Any, tuple[str, ...]]:
    """What is said of the inputs is all that is known of them."""
    specs = inputs.specs_said()
    names = tuple(sorted(specs))
    return (specs[names[0]] if len(names) == 1 else specs), names
