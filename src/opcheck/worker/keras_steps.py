"""The inference and the training step of a Keras model, as functions to trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opcheck.graph import Role
from opcheck.worker.attribution import Attribution
from opcheck.worker.build import BuiltModel
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
        (built.signature.inputs,),
        _recording(built, "forward"),
        (False,),
        built.signature.names,
        gaps=built.signature.gaps,
    )


def training_step(built: BuiltModel) -> StepFunction:
    """``model.train_step``: forward, loss, backward and optimizer update, as ``fit`` calls it."""
    model = built.model
    training = prepare(built)

    def make() -> Callable[..., Any]:
        def train(x: Any, y: Any) -> Any:
            return model.train_step((x, y))

        return train

    return StepFunction(
        "training",
        make,
        (built.signature.inputs, training.labels),
        _recording(built, "metrics"),
        (False, True),
        built.signature.names,
        outputs=lambda x: model(x, training=False),
        loss=training.loss,
        optimizer=training.optimizer,
        defaults=training.defaults,
        jit_compile=training.jit_compile,
        gaps=built.signature.gaps,
        notes=training.notes,
    )


def _recording(built: BuiltModel, outside: Role) -> Callable[[], Any]:
    attribution = Attribution(built.paths, outside, built.api.module.layers.Embedding)
    return lambda: attribution.recording(built.api.layer_classes, built.model)
