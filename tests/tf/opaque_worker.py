"""Stand-ins in models of each Keras here: prints, for each, what Keras takes for its outputs and
what they are."""

from __future__ import annotations

import json

import tensorflow as tf

from opcheck.worker.keras_api import available
from opcheck.worker.opaque import opaque_layer

# The input's shape without the batch and its dtype; what is told of the outputs.
CASES = (
    ((4,), "float32", [None, 4, 4], None),
    ((None, 8), "float32", [None, None, 3], "float32"),
    ((None, 8), "float32", None, None),
    ((4,), "int32", [[None, 2], [None, 3]], ["float32", "int64"]),
    ((), "string", [None, 5], "int32"),
    ((5,), "float32", [None, 2], "string"),
    ((4,), "float32", [None], "float32"),
    ((4,), "float32", [7, 4], "float16"),
    ((4,), "float32", [[None, 2], None], [None, None]),
)


def described(tensors: object) -> list[object]:
    flat = tensors if isinstance(tensors, list) else [tensors]
    return [[list(t.shape), tf.as_dtype(t.dtype).name] for t in flat]


for api in available(None):
    keras = api.module
    layer = opaque_layer(api)
    for shape, dtype, told_shape, told_dtype in CASES:
        inputs = keras.Input(shape, dtype=dtype)
        outputs = layer(output_shape=told_shape, output_dtype=told_dtype)(inputs)
        sizes = (2, *(6 if size is None else size for size in shape))
        value = tf.fill(sizes, "a") if dtype == "string" else tf.ones(sizes, dtype)
        results = keras.Model(inputs, outputs)(value)
        print(json.dumps([api.package, described(outputs), described(results)]))
