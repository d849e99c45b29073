"""Every rewrite on a small model: ``python fix_worker.py TARGET FOLDER`` prints JSON.

For each case: what was rewritten, how far the numbers are apart, how each file is trained, and the
op types that matter off the accelerator before and after, in both steps, by opcheck's own
prediction.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import model_kinds
import tensorflow as tf

from opcheck.errors import OpcheckError
from opcheck.graph import flatten
from opcheck.loading import read
from opcheck.placement import predict
from opcheck.rules.severity import is_small
from opcheck.targets import resolve
from opcheck.worker.accelerated import pretended_gpu, variables_there
from opcheck.worker.build import build
from opcheck.worker.fix import _compare, fixed
from opcheck.worker.keras_api import available
from opcheck.worker.keras_steps import inference_step, training_step
from opcheck.worker.protocol import FixRequest, WorkerRequest
from opcheck.worker.raw_graph import raw_graph

API = next(iter(available(None)))
keras, layers = API.module, API.module.layers
THREE = API.major >= 3


def model(shape: tuple[int, ...], *stack: Any, dtype: str = "float32") -> Any:
    x = inputs = keras.Input(shape, dtype=dtype)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


def attention(**options: Any) -> Any:
    x = inputs = keras.Input((6, 8))
    x = layers.Dense(8)(x)
    return keras.Model(inputs, layers.MultiHeadAttention(2, 4, **options)(x, x))


def dense(activation: str) -> Any:
    return model((5,), layers.Dense(8, activation=activation))


def own_step() -> Any:
    inputs = keras.Input(VOLUME)
    return model_kinds.FunctionalOwnStep(inputs, layers.Conv3D(4, 3)(inputs))


VOLUME = (6, 7, 8, 3)
CASES: dict[str, Callable[[], Any]] = {
    "attention-by-matmul": lambda: attention(kernel_regularizer="l2", bias_constraint="non_neg"),
    "attention-by-matmul frozen": lambda: attention(trainable=False),
    "attention-by-matmul cross": lambda: keras.Model(
        [a := keras.Input((6, 8)), b := keras.Input((9, 4))],
        layers.MultiHeadAttention(3, 5, value_dim=2)(layers.Dense(8)(a), layers.Dense(4)(b)),
    ),
    "einsum-dense-by-dense": lambda: model(
        (5, 6, 8),
        layers.Dense(8),
        layers.EinsumDense(
            "abcd,def->abcef", (5, None, 3, 4), bias_axes="ef", kernel_regularizer="l1"
        ),
    ),
    "einsum-dense-by-dense back": lambda: model(
        (5, 6, 3, 4),
        layers.Dense(4),
        layers.EinsumDense("abcde,def->abcf", (5, None, 5), bias_axes="f", trainable=False),
    ),
    "grouped-convolution-apart": lambda: model(
        (8, 8, 4),
        layers.Dense(4),
        layers.Conv2D(6, 3, groups=2, padding="same", strides=2, kernel_regularizer="l2"),
    ),
    "recurrent-by-cell": lambda: model(
        (6, 4),
        layers.LSTM(5, return_sequences=True, recurrent_regularizer="l2"),
        layers.GRU(3, trainable=False),
    ),
    "recurrent-by-cell both ways": lambda: model(
        (6, 4), layers.Bidirectional(layers.LSTM(5, return_sequences=True)), layers.Dense(2)
    ),
    "elu-by-primitives": lambda: model((5,), layers.Dense(6, "elu"), layers.ELU(0.5)),
    "elu-by-primitives integers": lambda: model(
        (5,), layers.Rescaling(0.5), layers.Dense(6, "elu"), dtype="int32"
    ),
    "selu-by-primitives": lambda: dense("selu"),
    "softplus-by-primitives": lambda: dense("softplus"),
    "softsign-by-primitives": lambda: dense("softsign"),
    "conv-3d-by-2d": lambda: model(
        VOLUME, layers.Conv3D(4, 3, strides=2, padding="same", kernel_regularizer="l2")
    ),
    "conv-3d-by-2d activation": lambda: model(
        VOLUME, layers.Dense(3), layers.Conv3D(4, (3, 2, 1), activation="elu", trainable=False)
    ),
    "pooling-3d-by-2d": lambda: model(VOLUME, layers.Dense(3), layers.MaxPooling3D((2, 3, 2))),
    "pooling-3d-by-2d same": lambda: model(
        VOLUME, layers.Dense(3), layers.AveragePooling3D(3, strides=2, padding="same")
    ),
    "nearest-resize-by-repetition": lambda: model(
        (4, 5, 3), layers.Dense(3), layers.Resizing(8, 15, interpolation="nearest")
    ),
    "time-distributed-dense": lambda: model(
        (6, 4), layers.Dense(4), layers.TimeDistributed(layers.Dense(3, trainable=False))
    ),
    "recurrent-fused": lambda: model(
        (6, 4),
        layers.RNN(layers.LSTMCell(5, kernel_regularizer="l2"), return_sequences=True),
        layers.RNN(layers.GRUCell(3), trainable=False),
    ),
    "recurrent-fused unrolled": lambda: model((6, 4), layers.Dense(4), layers.LSTM(5, unroll=True)),
    "float32": lambda: model(
        (6, 4),
        *(
            layers.Conv1D(5, 3, activation="relu", dtype="float64"),
            layers.BatchNormalization(dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(3, activation="softmax", dtype="float64"),
        ),
        dtype="float64",
    ),
    "float32 and more": lambda: model(
        (5,), layers.Dense(6, activation="elu", dtype="float64"), dtype="float64"
    ),
    "a constraint on a shape": lambda: model(
        VOLUME, layers.Conv3D(4, 3, kernel_constraint=keras.constraints.MaxNorm(2))
    ),
    "a regularizer of the output": lambda: model(
        VOLUME, layers.Conv3D(4, 3, activity_regularizer="l2")
    ),
    "a step of its own": own_step,
    "nothing to do": lambda: model((5,), layers.Dense(8, activation="relu")),
}
if THREE:
    CASES |= {
        "celu-by-primitives": lambda: dense("celu"),
        "mish-by-primitives": lambda: dense("mish"),
        "log_sigmoid-by-primitives": lambda: dense("log_sigmoid"),
    }


def randomized(built: Any) -> Any:
    """No weight is where its initializer puts it: biases are zero there."""
    for n, variable in enumerate(built.weights):
        numbers = tf.random.stateless_normal(variable.shape, (n, 7), stddev=0.5)
        if "variance" in variable.name:
            numbers = tf.abs(numbers)
        variable.assign(tf.cast(numbers, variable.dtype))
    return built


def off(path: Path, target: Any) -> set[tuple[str, str]]:
    """Layer and type of every op on numbers that is not on the accelerator, small ones aside."""
    built = build(WorkerRequest(read(str(path)), ()))
    found = set()
    for maker in (inference_step, training_step):
        step = maker(built)
        with step.recording(), pretended_gpu():
            concrete = tf.function(step.make()).get_concrete_function(*step.specs)
        raw = raw_graph(concrete, moved=variables_there())
        graph = flatten(raw, name=step.step, layers=built.layers, device_type="GPU")
        for op, placement in zip(graph.ops, predict(graph, target), strict=True):
            numbers = [t for t in (*op.inputs, *op.outputs) if "float" in t.dtype]
            if placement.verdict != "accelerator" and op.live and not all(map(is_small, numbers)):
                found.add((op.layer_path or "", op.op_type))
    return found


def unproven() -> list[str]:
    """What is said of models with the same outputs that are trained otherwise."""
    dense = layers.Dense(4)
    pairs = (
        (model((4,), dense, dense), model((4,), layers.Dense(4), layers.Dense(4))),
        (model((4,), layers.Dense(4)), model((4,), layers.Dense(4, trainable=False))),
        (model((4,), layers.Dense(4)), model((4,), layers.Dense(4, bias_regularizer="l2"))),
    )
    said = []
    for old, new in pairs:
        try:
            _compare(randomized(old), randomized(new), [])
        except OpcheckError as error:
            said.append(str(error))
    return said


def training(path: Path) -> tuple[int, float]:
    """How many numbers are trained, and what regularizers add to the loss."""
    loaded = keras.models.load_model(path, compile=False)
    trained = sum(tf.size(weight).numpy() for weight in loaded.trainable_weights)
    return int(trained), float(sum(loaded.losses))


def main(target_name: str, folder: Path) -> None:
    target = resolve(target_name)
    ending = ".keras" if THREE else ".h5"
    results = {}
    for name, make in CASES.items():
        path, new = (folder / f"{name} {which}{ending}" for which in ("old", "new"))
        randomized(make()).save(path)
        before = off(path, target)
        request = FixRequest(
            WorkerRequest(read(str(path)), (), custom_objects=("model_kinds",)),
            target.spec,
            tuple(before),
            str(new),
        )
        result: dict[str, Any] = {"before": sorted(op for _, op in before)}
        try:
            reply = fixed(request, lambda _: None)
        except OpcheckError as error:
            result["error"] = f"{error.slug}: {error}"
        else:
            result |= {
                "rewrites": [change.rewrite for change in reply.changed],
                "left": [left.why for left in reply.left],
                "relative": reply.relative,
                "training": [training(path), training(new)],
                "after": sorted(op for _, op in off(new, target)),
            }
        results[name] = result
    print(json.dumps({"cases": results, "unproven": unproven()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
