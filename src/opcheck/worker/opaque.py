"""The stand-in for a layer that is not instantiated: right shape, no code of its own."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from opcheck.worker.keras_api import KerasApi


def opaque_layer(api: KerasApi) -> type:
    """An ``OpaqueLayer`` class for this Keras, which safe configs name in place of foreign layers.

    Its output has the shape the file tells (``output_shape``, without the batch dimension) or else
    the input's, and depends on the input so that the layers before it keep their gradients.
    """

    class OpaqueLayer(api.module.layers.Layer):  # type: ignore[misc,name-defined]
        def __init__(
            self,
            original_class: str = "",
            output_shape: list[int | None] | None = None,
            output_dtype: str | None = None,
            **kwargs: Any,
        ) -> None:
            super().__init__(**kwargs)
            self.original_class = original_class
            self._opaque_shape = output_shape
            self._opaque_dtype = output_dtype

        def call(self, inputs: Any, *_: Any, **__: Any) -> Any:
            first = tf.convert_to_tensor(tf.nest.flatten(inputs)[0])
            if self._opaque_dtype:
                first = tf.cast(first, self._opaque_dtype)
            if self._opaque_shape is None:
                return tf.identity(first)
            rank = first.shape.rank or 1
            mean = tf.reduce_mean(
                first if first.dtype.is_floating else tf.cast(first, "float32"),
                axis=list(range(1, rank)),
            )
            shape = [1 if size is None else size for size in self._opaque_shape]
            column = tf.reshape(mean, [-1, *[1] * len(shape)])
            result = tf.tile(column, [1, *shape])
            return tf.cast(result, self._opaque_dtype) if self._opaque_dtype else result

        def compute_output_shape(self, input_shape: Any) -> Any:
            shapes = tf.nest.flatten(input_shape)
            first = input_shape[0] if shapes and isinstance(input_shape[0], (list, tuple)) else None
            shape = first if first is not None else input_shape
            if self._opaque_shape is None:
                return tuple(shape)
            return (shape[0], *(1 if size is None else size for size in self._opaque_shape))

        def get_config(self) -> dict[str, Any]:
            config = super().get_config()
            return {
                **config,
                "original_class": self.original_class,
                "output_shape": self._opaque_shape,
                "output_dtype": self._opaque_dtype,
            }

    return OpaqueLayer
