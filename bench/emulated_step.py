"""One process of emulated.py: builds a model, then times its training step.

    python bench/emulated_step.py TARGET|cpu MODEL.keras

Prints the seconds that building and loading the device took, and the processor seconds of all
threads: of the first step (which makes the kernels) and of each further one.
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

STEPS = 50


def main(target: str, path: str) -> None:
    start = time.perf_counter()
    load(target)
    loaded = time.perf_counter() - start
    step = training_step(path)
    times = []
    for _ in range(STEPS + 2):
        start = time.process_time()
        tf.nest.map_structure(lambda tensor: tensor.numpy(), step())
        times.append(time.process_time() - start)
    # A check runs one step; the second one warms up.
    print(json.dumps({"load": loaded, "first": times[0], "steps": times[2:]}))


def load(target: str) -> None:
    """The emulated device of ``target``, unless that is ``cpu``."""
    if target != "cpu":
        from opcheck import emulator
        from opcheck.targets import resolve

        emulator.load(resolve(target))


def training_step(path: str) -> Callable[[], dict[str, tf.Tensor]]:
    """One training step of the model in a .keras file, traced: gives its loss."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    model = keras.saving.deserialize_keras_object(config)
    model.compile("sgd", "mean_squared_error")
    model.optimizer.build(model.trainable_variables)
    x = [_example(tensor) for tensor in model.inputs]
    y = [_example(tensor) for tensor in model.outputs]

    @tf.function
    def step() -> dict[str, tf.Tensor]:
        return model.train_step((x if len(x) > 1 else x[0], y if len(y) > 1 else y[0]))

    return step.get_concrete_function()


def _example(tensor: keras.KerasTensor) -> tf.Tensor:
    shape = [size or (16 if axis else 2) for axis, size in enumerate(tensor.shape)]
    if "int" in tensor.dtype:
        return tf.ones(shape, tensor.dtype)
    return tf.constant(np.random.default_rng(0).uniform(0.0, 1.0, shape), tensor.dtype)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
