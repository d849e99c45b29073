"""The inference and the training step of a Keras model, as functions to trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from opcheck.graph import Role
from opcheck.worker.attribution import Attribution
from opcheck.worker.build import BuiltModel
from opcheck.worker.inputs import name_of, spec_of, structure_of
from opcheck.worker.steps import StepFunction
from opcheck.worker.training import prepare


def inference_step(built: BuiltModel) -> StepFunction:
    """``model(x, training=False)``, as ``predict`` calls it."""
    model = built.model

    def make() -> Callable[..., Any]:
        def inference(x: Any) -> Any:
            return model(x, training=False)

        return inference

    return StepFunction(
        "inference",
        make,
        (_inputs(model),),
        _recording(built, "forward"),
        (False,),
        _names(model),
    )


def training_step(built: BuiltModel) -> StepFunction:
    """``model.train_step``: forward, loss, backward and optimizer update, as ``fit`` calls it."""
    model = built.model
    training = prepare(model, built.api, built.compile_config)

    def make() -> Callable[..., Any]:
        def train(x: Any, y: Any) -> Any:
            return model.train_step((x, y))

        return train

    return StepFunction(
        "training",
        make,
        (_inputs(model), training.labels),
        _recording(built, "metrics"),
        (False, True),
        _names(model),
        outputs=lambda x: model(x, training=False),
        loss=training.loss,
        optimizer=training.optimizer,
        defaults=training.defaults,
        notes=training.notes,
    )


def _recording(built: BuiltModel, outside: Role) -> Callable[[], Any]:
    attribution = Attribution(built.paths, outside, built.api.module.layers.Embedding)
    return lambda: attribution.recording(built.api.layer_classes, built.model)


def _inputs(model: Any) -> Any:
    """TensorSpecs in the structure the model is called with."""
    return tf.nest.map_structure(spec_of, structure_of(model, "inputs"))


def _names(model: Any) -> tuple[str, ...]:
    return tuple(map(name_of, tf.nest.flatten(structure_of(model, "inputs"))))
