"""Small real inputs for one step: shapes from the model, unknown dimensions filled, or as given."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from opcheck.errors import UsageError
from opcheck.worker.messages import first_line
from opcheck.worker.protocol import InputSpec, WorkerRequest

# Enough for the strides of common vision models; for sequences, a short text.
_UNKNOWN_SPACE = 64
_UNKNOWN_TIME = 16
_MOST_BYTES = 2**30  # of values in a file


@dataclass(frozen=True)
class Inputs:
    """What the user says of a model's inputs, by name: their shapes and types, or all of them.

    ``batch_size`` is that of the inputs of which nothing is said.
    """

    batch_size: int
    specs: Mapping[str, InputSpec] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)

    def fitted(self, names: Sequence[str], specs: Sequence[tf.TensorSpec]) -> list[tf.TensorSpec]:
        """``specs``, those of the inputs ``names``, with what is said of them filled in.

        The batch stays open where it is, as in `fit`.

        Raises:
            UsageError: the model has no such input, or not of that shape.
        """
        known = dict(zip(names, specs, strict=True))
        for name in (*self.specs, *self.arrays):
            if name not in known:
                listed = ", ".join(f"{n} {_text(s)}" for n, s in known.items())
                raise UsageError(f"The model has no input '{name}'.", hint=f"Its inputs: {listed}.")
        return [self._fitted(name, spec) for name, spec in known.items()]

    def value(self, spec: tf.TensorSpec, name: str, below: int | None) -> tf.Tensor:
        """A value for the input ``name``; integers are in [0, ``below``) where that is not None."""
        if name in self.arrays:
            return tf.constant(self.arrays[name], spec.dtype)
        shape = self._shape(name) or filled(spec.shape, self.batch)
        return example(shape, spec.dtype, below)

    def specs_said(self) -> dict[str, tf.TensorSpec]:
        """A spec, with an open batch, of each input of which the whole shape is said; float32 where
        no dtype is."""
        shapes = {name: self._shape(name) for name in (*self.specs, *self.arrays)}
        return {
            name: tf.TensorSpec(
                [None, *shape[1:]] if shape else [], self.dtype_said(name) or "float32", name
            )
            for name, shape in shapes.items()
        }

    def dtype_said(self, name: str) -> tf.DType | None:
        """The dtype of the input ``name``; Keras makes float32 of every array of floats."""
        if name in self.arrays:
            dtype = tf.as_dtype(self.arrays[name].dtype)
            return tf.float32 if dtype.is_floating else dtype
        said = self.specs[name].dtype if name in self.specs else None
        return None if said is None else tf.as_dtype(said)

    @property
    def batch(self) -> int:
        """The first dimension of the first input that is given, else ``batch_size``."""
        shapes = (self._shape(name) for name in (*self.specs, *self.arrays))
        return next((shape[0] for shape in shapes if shape), self.batch_size)

    def _shape(self, name: str) -> tuple[int, ...] | None:
        if name in self.arrays:
            return tuple(self.arrays[name].shape)
        return self.specs[name].shape if name in self.specs else None

    def _fitted(self, name: str, spec: tf.TensorSpec) -> tf.TensorSpec:
        shape = self._shape(name)
        if shape is None:
            return spec
        if not spec.shape.is_compatible_with(shape):
            raise UsageError(f"Input '{name}' of the model is {_text(spec)}, not {_listed(shape)}.")
        dtype = self.specs[name].dtype if name in self.specs else None
        opened = [None, *shape[1:]] if spec.shape.rank and spec.shape[0] is None else shape
        return tf.TensorSpec(opened, dtype or spec.dtype, spec.name)


def given(request: WorkerRequest) -> Inputs:
    """What ``request`` says of the inputs.

    Raises:
        UsageError: its file cannot be read, or a dtype is none.
    """
    specs = {spec.name: spec for spec in request.inputs}
    for spec in request.inputs:
        try:
            tf.as_dtype(spec.dtype or "float32")
        except TypeError:
            raise UsageError(
                f"--input {spec.name}: '{spec.dtype}' is no dtype.", hint="Such as int32, float16."
            ) from None
    arrays = _arrays(request.input_file) if request.input_file else {}
    return Inputs(request.batch_size, specs, arrays)


def _arrays(path: str) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:  # of a plain .npy it is an error, as it should be
            _check_size(path, sum(info.file_size for info in archive.infolist()))
        with np.load(Path(path), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except UsageError:
        raise
    except Exception as error:  # numpy raises what zipfile, zlib and its own parser raise
        raise UsageError(
            f"{path} cannot be read: {first_line(error)}.",
            hint="Write it with numpy.savez(path, NAME=array), without objects.",
        ) from error


def _check_size(path: str, size: int) -> None:
    """Zip members are read no further than they say they are long."""
    if size > _MOST_BYTES:
        raise UsageError(
            f"{path} holds {size >> 20} MB of arrays; opcheck reads up to {_MOST_BYTES >> 20} MB.",
            hint="Give a smaller batch.",
        )


def example(shape: Sequence[int], dtype: tf.DType, below: int | None = None) -> tf.Tensor:
    """A tensor of that shape and type, the same each time.

    Floats are in [0, 1). Integers are 1: a valid index almost everywhere, and no padding (Keras 2
    takes the fused LSTM only for right-padded sequences). With ``below`` they are in
    [1, ``below``), whatever the type.
    """
    if dtype == tf.string:
        return tf.fill(shape, "a")
    random = np.random.default_rng(0)
    if below is not None:
        return tf.cast(tf.constant(random.integers(min(1, below - 1), below, shape)), dtype)
    if dtype.is_floating or dtype.is_complex:
        return tf.cast(tf.constant(random.uniform(0.0, 1.0, shape), "float32"), dtype)
    return tf.cast(tf.fill(shape, 1), dtype)


def filled(shape: tf.TensorShape, batch_size: int) -> list[int]:
    """The shape that an argument of ``shape`` (of known rank) gets when the step runs."""
    other = _UNKNOWN_SPACE if len(shape) >= 4 else _UNKNOWN_TIME
    return [
        size if size is not None else batch_size if axis == 0 else other
        for axis, size in enumerate(shape.as_list())
    ]


def _text(spec: tf.TensorSpec) -> str:
    return f"{_listed(spec.shape.as_list()) if spec.shape.rank else '?'}:{spec.dtype.name}"


def _listed(shape: Sequence[int | None]) -> str:
    """``?,32,32,3``, as --input takes it."""
    return ",".join("?" if size is None else str(size) for size in shape)


def spec_of(tensor: Any) -> tf.TensorSpec:
    """The TensorSpec of a Keras input or output."""
    dtype = tensor.dtype if isinstance(tensor.dtype, (str, tf.DType)) else tensor.dtype.name
    return tf.TensorSpec(tuple(tensor.shape), dtype)


def structure_of(model: Any, side: Literal["inputs", "outputs"]) -> Any:
    """A model's Keras inputs or outputs, nested as it takes or gives them."""
    for name in (f"_{side}_struct", f"_nested_{side}"):  # Keras 3, Keras 2
        structure = getattr(model, name, None)
        if structure is not None:
            return structure
    flat = getattr(model, side)
    return flat if len(flat) > 1 else flat[0]


def name_of(tensor: Any) -> str:
    """The name of a Keras input, which is that of its InputLayer."""
    history = getattr(tensor, "_keras_history", None)
    layer = getattr(history, "operation", None) or getattr(history, "layer", None)
    return str(getattr(layer, "name", None) or tensor.name)
