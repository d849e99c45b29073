"""Models of kinds that no fixture file holds, as factories. For Keras 2 and 3."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

try:
    import keras

    if keras.__version__.startswith("2."):
        from tensorflow import keras
except ImportError:
    from tensorflow import keras

layers = keras.layers


class OwnStep(keras.Model):
    """Subclassed, with a train_step that needs no compiled loss and runs an op of its own."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(4)
        self.out = layers.Dense(1)

    def call(self, features):
        if isinstance(features, dict):
            features = features["left"] + tf.cast(features["right"], tf.float32)
        return self.out(tf.nn.elu(self.hidden(features)))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.math.softplus(self(x, training=True) - y))
        gradients = tape.gradient(loss, self.trainable_variables)
        pairs = zip(gradients, self.trainable_variables)  # noqa: B905  AutoGraph of 2.10
        self.optimizer.apply_gradients(pairs)
        return {"loss": loss}


class FunctionalOwnStep(keras.Model):
    """Made of inputs and outputs, but trained in its own way."""

    def train_step(self, data):
        return {**super().train_step(data), "own": 1.0}


def _own_step():
    model = OwnStep()
    model.compile("sgd")
    return model


def never_called():
    return _own_step()


def called():
    model = _own_step()
    model(np.zeros((5, 3), "float32"))
    return model


def called_with_a_dictionary():
    model = _own_step()
    model({"left": np.zeros((5, 3), "float32"), "right": np.zeros((5, 3), "float32")})
    return model


def eager():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def with_xla():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=True)
    return model


def sparse():
    inputs = keras.Input((20,), sparse=True, name="words")
    model = keras.Model(inputs, layers.Dense(2)(inputs))
    model.compile("sgd", "mse")
    return model


def losses_by_name():
    inputs = keras.Input((8,))
    outputs = {
        "kind": layers.Dense(3, "softmax", name="kind")(inputs),
        "size": layers.Dense(1, name="size")(inputs),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        "adam",
        loss={"kind": "sparse_categorical_crossentropy", "size": "mse"},
        metrics={"kind": ["accuracy"]},
    )
    return model


class Signatures(tf.Module):
    """Not Keras: two functions, neither the default."""

    def __init__(self):
        self.weight = tf.Variable(tf.ones((4, 3)))

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])
    def predict(self, x):
        return {"y": tf.nn.elu(x @ self.weight)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="text")])
    def parse(self, text):
        return {"length": tf.strings.length(text)}
