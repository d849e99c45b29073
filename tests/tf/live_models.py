"""Builds models and checks each live and as the file it is saved to. Prints what differs, as JSON.

A process of its own: whoever gives opcheck a live model has Keras imported already.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import opcheck

try:
    import keras

    if keras.__version__.startswith("2."):
        from tensorflow import keras
except ImportError:
    from tensorflow import keras

sys.path.insert(0, str(Path(__file__).parents[2] / "fixtures"))
from custom_layers import Inverse

layers = keras.layers
OPTIONS = opcheck.Options(evidence="predicted")


def compiled() -> keras.Model:
    inner = keras.Sequential([layers.Input((8,)), layers.Dense(8, activation="elu")], name="inner")
    inputs = keras.Input((8,))
    x = layers.Dropout(0.1)(inner(inputs))
    model = keras.Model(inputs, layers.Dense(1)(x))
    rate = keras.optimizers.schedules.CosineDecay(np.float64(0.01), np.int64(100))
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9), loss=keras.losses.Huber(), metrics=["mae"]
    )
    return model


def custom() -> keras.Model:
    return keras.Sequential(
        [layers.Input((4, 4)), Inverse(), layers.Lambda(lambda x: x * 2.0), layers.Flatten()]
    )


class Square(layers.Layer):
    """Of the main script: no other process can import it, and it has no get_config."""

    def __init__(self, power):
        super().__init__()
        self.power = power

    def call(self, x):
        return x**self.power


def by_place(report: opcheck.Report) -> list[list[str]]:
    """Every op where it runs; layers and ops are named alike in both."""
    return sorted(
        [r.target, r.step, op.layer or "", op.op, op.name, op.verdict]
        for r in report.results
        for op in r.ops
    )


def main(folder: Path) -> None:
    target = "metal@1.2.0"
    model = compiled()
    path = folder / "compiled.h5"
    model.save(path)
    live = opcheck.check(model, target, OPTIONS)
    saved = opcheck.check(path, target, OPTIONS)
    again = opcheck.check(custom, target, OPTIONS)
    main_script = keras.Sequential([layers.Input((4,)), layers.Dense(3), Square(2)])
    main_script.compile("sgd", "mse")
    before = [weight.copy() for weight in main_script.get_weights()]
    here = opcheck.check(main_script, target, in_process=True)
    after = main_script.get_weights()
    answer = {
        "here": [[r.step, len(r.ops), r.evidence, r.summary.unknown] for r in here.results],
        "here_layers": sorted({op.layer for r in here.results for op in r.ops if op.layer}),
        "unchanged": all((a == b).all() for a, b in zip(before, after, strict=True)),
        "equal": by_place(live) == by_place(saved),
        "ops": sum(len(result.ops) for result in live.results),
        "training": [[r.loss, r.optimizer, r.defaults] for r in live.results],
        "saved_training": [[r.loss, r.optimizer, r.defaults] for r in saved.results],
        "format": live.model.format,
        "custom_layers": [[n.class_name, n.kind] for n in again.model.layers],
        "custom_ops": sorted({op.op for result in again.results for op in result.ops}),
        "custom_unknown": sum(result.summary.unknown for result in again.results),
        "custom_gaps": [gap for result in again.results for gap in result.incomplete],
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
