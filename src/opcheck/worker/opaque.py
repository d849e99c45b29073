"""The stand-in for a layer that is not instantiated: right shape, no code of its own."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from opcheck.worker.keras_api import KerasApi

Shape = list[int | None]


def opaque_layer(api: KerasApi) -> type:
    """An ``OpaqueLayer`` class for this Keras, which safe configs name in place of foreign layers.

    Its output has the shape and dtype that the file or the user tells (``output_shape``, the batch
    first; lists of them for several outputs) or else the input's, and depends on the input so that
    the layers before it keep their gradients.
    """

    class OpaqueLayer(api.module.layers.Layer):  # type: ignore[misc,name-defined]
        def __init__(
            self,
            original_class: str = "",
            output_shape: Shape | list[Shape | None] | None = None,
            output_dtype: str | list[str | None] | None = None,
            **kwargs: Any,
        ) -> None:
            super().__init__(**kwargs)
            self.original_class = original_class
            self._opaque_shape = output_shape
            self._opaque_dtype = output_dtype
            self._outputs = _outputs(output_shape, output_dtype)

        @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
        def call(self, inputs: Any, *_: Any, **__: Any) -> Any:
            first = tf.convert_to_tensor(tf.nest.flatten(inputs)[0])
            outputs = [_output(first, shape, dtype) for shape, dtype in self._outputs]
            return outputs if len(outputs) > 1 else outputs[0]

        def compute_output_shape(self, input_shape: Any) -> Any:
            given = tuple(input_shape)
            first = next((s for s in given if isinstance(s, (list, tuple))), given)
            found = [_filled(shape, first) for shape, _ in self._outputs]
            return found if len(found) > 1 else found[0]

        def compute_output_spec(self, inputs: Any, *_: Any, **__: Any) -> Any:
            """Keras 3 would take the layer's own dtype for that of its outputs."""
            first = tf.nest.flatten(inputs)[0]
            found = [
                api.module.KerasTensor(
                    _filled(shape, first.shape), _dtype(shape, dtype, tf.as_dtype(first.dtype)).name
                )
                for shape, dtype in self._outputs
            ]
            return found if len(found) > 1 else found[0]

        def get_config(self) -> dict[str, Any]:
            config = super().get_config()
            return {
                **config,
                "original_class": self.original_class,
                "output_shape": self._opaque_shape,
                "output_dtype": self._opaque_dtype,
            }

    return OpaqueLayer


def _outputs(shape: Any, dtype: Any) -> tuple[tuple[Shape | None, str | None], ...]:
    """Shape and dtype of each output."""
    if not any(isinstance(one, (list, tuple)) for one in shape or ()):
        return ((shape, dtype),)
    dtypes = dtype if isinstance(dtype, (list, tuple)) else [dtype] * len(shape)
    return tuple(zip(shape, dtypes, strict=True))


def _filled(shape: Shape | None, given: Any) -> tuple[int | None, ...]:
    """The static shape of an output: an open size is that of the input, if it has such an axis."""
    if shape is None:
        return tuple(given)
    open_sizes = [given[axis] if axis < len(given) else 1 for axis in range(len(shape))]
    return tuple(
        given[0] if axis == 0 else (open_sizes[axis] if size is None else size)
        for axis, size in enumerate(shape)
    )


def _output(first: Any, shape: Shape | None, dtype: str | None) -> Any:
    """A tensor of that shape and dtype, made of all numbers of the first input."""
    wanted = _dtype(shape, dtype, first.dtype)
    if shape is None:
        return _cast(first, wanted)
    numbers = _cast(first, first.dtype if first.dtype.is_floating else tf.float32)
    rank = first.shape.rank or 1
    mean = tf.reduce_mean(numbers, axis=list(range(1, rank)))
    sizes = [
        size if size is not None else tf.shape(first)[axis] if axis < rank else 1
        for axis, size in enumerate(shape)
    ]
    result = mean
    if len(shape) != 1:
        result = tf.tile(tf.reshape(mean, [-1, *[1] * (len(shape) - 1)]), [1, *sizes[1:]])
    result = _cast(result, wanted)
    result.set_shape(_filled(shape, first.shape.as_list() if first.shape.rank else [None]))
    return result


def _dtype(shape: Shape | None, dtype: str | None, given: Any) -> Any:
    """The dtype of an output, of a layer that was given one of ``given``."""
    if dtype is not None:
        return tf.as_dtype(dtype)
    return given if shape is None or given.is_floating else tf.float32


def _cast(tensor: Any, wanted: Any) -> Any:
    """`tf.cast`, which knows no strings."""
    if tensor.dtype == wanted:
        return tf.identity(tensor)
    if wanted == tf.string:
        return tf.strings.as_string(tensor)
    if tensor.dtype == tf.string:
        tensor = tf.strings.length(tensor)
    return tf.cast(tensor, wanted)
