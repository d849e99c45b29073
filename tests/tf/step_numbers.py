"""Outputs, loss and updated weights of fixtures, on the emulated device or without it.

``python step_numbers.py TARGET|cpu OUT FILE...`` writes OUT/NAME.npz for each, in one process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def main(target: str, out: Path, files: list[str]) -> None:
    if target != "cpu":
        from opcheck import emulator
        from opcheck.targets import resolve

        emulator.load(resolve(target))
    tf.config.experimental.enable_op_determinism()
    for file in files:
        np.savez(out / f"{Path(file).name}.npz", **numbers(file))


def numbers(file: str) -> dict[str, object]:
    import keras

    keras.backend.clear_session()
    tf.keras.utils.set_random_seed(1)
    model = keras.models.load_model(file, compile=False)
    fill = np.random.default_rng(0)
    for weight in model.weights:  # as stored they may be zeros
        if weight.dtype in ("float32", tf.float32):
            weight.assign(fill.normal(0.0, 0.1, weight.shape).astype("float32") ** 2)
    inputs = [value(fill, tensor) for tensor in model.inputs]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    predict = tf.function(lambda x: model(x, training=False))
    outputs = tf.nest.flatten(predict(inputs))
    variables = model.trainable_variables

    @tf.function
    def train(x: object) -> object:
        with tf.GradientTape() as tape:
            results = tf.nest.flatten(model(x, training=True))
            loss = tf.add_n([tf.reduce_mean(tf.square(tf.cast(r, "float32"))) for r in results])
        for variable, gradient in zip(variables, tape.gradient(loss, variables)):  # noqa: B905
            if gradient is not None:
                variable.assign_sub(0.1 * tf.convert_to_tensor(gradient))
        return loss

    loss = train(inputs)
    found = {f"output{i}": np.asarray(tf.cast(t, "float32")) for i, t in enumerate(outputs)}
    found |= {f"weight{i}": np.asarray(weight) for i, weight in enumerate(model.weights)}
    return {**found, "loss": np.asarray(loss), "device": np.asarray(outputs[0].device)}


def value(fill: np.random.Generator, tensor: object) -> tf.Tensor:
    shape = [2, *(size or 8 for size in tensor.shape[1:])]
    dtype = tf.as_dtype(tensor.dtype)
    if dtype.is_integer:
        return tf.constant(fill.integers(1, 4, shape), dtype)
    return tf.cast(tf.constant(fill.uniform(size=shape)), dtype)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
