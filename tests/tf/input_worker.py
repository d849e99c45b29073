"""Models that fail unless their inputs are right, and the requests for them. One process for all.

``python input_worker.py FOLDER``: each request gets a folder in it, as batch_worker.py wants it.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import tensorflow as tf
from tensorflow import keras

from opcheck.loading import read
from opcheck.worker.protocol import InputSpec, WorkerRequest

layers = keras.layers


class OnlySevens(layers.Layer):
    """Stops the step when it runs on anything else."""

    def call(self, x):
        tf.debugging.assert_equal(x, 7.0 * tf.ones_like(x))
        return x


def sevens():
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, layers.Dense(1)(OnlySevens()(inputs)))
    model.compile("sgd", "mse")
    return model


def one_token():
    """0 is the only index: 1, which integers are elsewhere, is out of range."""
    inputs = keras.Input((5,), dtype="int32", name="tokens")
    hidden = layers.GlobalAveragePooling1D()(layers.Embedding(1, 4)(inputs))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile("sgd", "mse")
    return model


def words():
    inputs = keras.Input((4,), dtype="string", name="words")
    tokens = layers.StringLookup(vocabulary=["a", "b"])(inputs)
    hidden = layers.GlobalAveragePooling1D()(layers.Embedding(3, 4)(tokens))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile("sgd", "mse")
    return model


class Table(tf.Module):
    """As `one_token`, without Keras, through a function inside the signature."""

    def __init__(self):
        super().__init__()
        self.table = tf.Variable(tf.ones((1, 4)))
        self.inner = tf.function(lambda tokens: tf.gather(self.table, tokens))

    @tf.function(input_signature=[tf.TensorSpec((None, 5), tf.int32, name="tokens")])
    def serve(self, tokens):
        return {"rows": self.inner(tokens)}


def main(folder: Path) -> None:
    from batch_worker import answer

    table = Table()
    tf.saved_model.save(table, str(folder / "table"), signatures={"serving_default": table.serve})
    np.savez(folder / "sevens.npz", x=np.full((4, 3), 7.0, "float32"))
    np.savez(folder / "pickled.npz", x=np.array([{}], dtype=object))
    np.savez(folder / "other.npz", y=np.zeros((4, 3)))
    with (
        zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(1025):
            member.write(bytes(2**20))
    shape = (
        np.lib.format.magic(1, 0)
        + b"v\0"
        + (
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 3)}".ljust(117)
            + b"\n"
        )
    )
    with zipfile.ZipFile(folder / "liar.npz", "w") as archive:
        archive.writestr("x.npy", shape + bytes(12))
    here = Path(__file__).stem
    for name, model, said in (
        ("file", f"{here}:sevens", {"input_file": str(folder / "sevens.npz")}),
        ("no_file", f"{here}:sevens", {}),
        ("pickled", f"{here}:sevens", {"input_file": str(folder / "pickled.npz")}),
        ("bomb", f"{here}:sevens", {"input_file": str(folder / "bomb.npz")}),
        ("liar", f"{here}:sevens", {"input_file": str(folder / "liar.npz")}),
        ("other_name", f"{here}:sevens", {"input_file": str(folder / "other.npz")}),
        ("shape", f"{here}:one_token", {"inputs": (InputSpec("tokens", (3, 5), None),)}),
        ("wrong_shape", f"{here}:one_token", {"inputs": (InputSpec("tokens", (3, 6), None),)}),
        ("embedding", f"{here}:one_token", {}),
        ("strings", f"{here}:words", {}),
        ("saved", str(folder / "table"), {}),
    ):
        private = folder / name
        private.mkdir()
        steps = ("inference", "training")
        request = WorkerRequest(read(model), steps, search_path=(str(Path.cwd()),), **said)
        (private / "request.json").write_bytes(msgspec.json.encode(request))
        answer(private)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
