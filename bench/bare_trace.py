"""What a check cannot avoid: import TensorFlow, build the model, trace its two functions.

    python bench/bare_trace.py MODEL.keras

No opcheck in here: run.py takes a check's time as a ratio to this script's.
"""

from __future__ import annotations

import json
import sys
import zipfile

import keras
import tensorflow as tf


def main(path: str) -> None:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    model = keras.saving.deserialize_keras_object(config)
    model.compile_from_config(config["compile_config"])
    model.optimizer.build(model.trainable_variables)
    (inputs,), (outputs,) = model.inputs, model.outputs
    x = tf.TensorSpec(inputs.shape, inputs.dtype)
    y = tf.TensorSpec(outputs.shape, outputs.dtype)  # as categorical_crossentropy wants it

    def inference(x: tf.Tensor) -> tf.Tensor:
        return model(x, training=False)

    def training(x: tf.Tensor, y: tf.Tensor) -> object:
        return model.train_step((x, y))

    ops = [
        len(tf.function(inference).get_concrete_function(x).graph.get_operations()),
        len(tf.function(training).get_concrete_function(x, y).graph.get_operations()),
    ]
    print(f"{ops[0]} and {ops[1]} ops")


if __name__ == "__main__":
    main(sys.argv[1])
