"""Small real inputs for one step: shapes from the model, unknown dimensions filled."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import tensorflow as tf

# Enough for the strides of common vision models; for sequences, a short text.
_UNKNOWN_SPACE = 64
_UNKNOWN_TIME = 16


def example(spec: tf.TensorSpec, batch_size: int, *, label: bool = False) -> tf.Tensor:
    """A tensor of the spec's dtype; ``None`` becomes ``batch_size`` first, a small size after.

    Integers are 1 (a valid index almost everywhere, and no padding), labels 0 (always a class).
    """
    shape = filled(spec.shape, batch_size)
    if spec.dtype == tf.string:
        return tf.fill(shape, "a")
    if spec.dtype.is_floating or spec.dtype.is_complex:
        values = np.random.default_rng(0).uniform(0.0, 1.0, shape)
        return tf.cast(tf.constant(values, "float32"), spec.dtype)
    return tf.cast(tf.fill(shape, 0 if label else 1), spec.dtype)


def filled(shape: tf.TensorShape, batch_size: int) -> list[int]:
    """The shape that an argument of ``shape`` (of known rank) gets when the step runs."""
    return [
        size if size is not None else batch_size if axis == 0 else _fill(len(shape))
        for axis, size in enumerate(shape.as_list())
    ]


def _fill(rank: int) -> int:
    return _UNKNOWN_SPACE if rank >= 4 else _UNKNOWN_TIME


def spec_of(tensor: Any, name: str | None = None) -> tf.TensorSpec:
    """The TensorSpec of a Keras input or output."""
    dtype = tensor.dtype if isinstance(tensor.dtype, (str, tf.DType)) else tensor.dtype.name
    return tf.TensorSpec(tuple(tensor.shape), dtype, name)


def structure_of(model: Any, side: Literal["inputs", "outputs"]) -> Any:
    """A model's Keras inputs or outputs, nested as it takes or gives them."""
    for name in (f"_{side}_struct", f"_nested_{side}"):  # Keras 3, Keras 2
        structure = getattr(model, name, None)
        if structure is not None:
            return structure
    flat = getattr(model, side)
    return flat if len(flat) > 1 else flat[0]
