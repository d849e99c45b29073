"""keras.applications as factories for opcheck: ``application_models:ResNet50`` and so on.

Each with random weights, ten classes and the smallest input that its architecture allows, compiled
as for classification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

SMALLEST = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}  # pixels; 32 for the rest


def names() -> list[str]:
    """Every architecture of the installed Keras."""
    applications = tf.keras.applications
    return [n for n in dir(applications) if n[0].isupper() and callable(getattr(applications, n))]


def pixels(name: str) -> int:
    return SMALLEST.get(name, 32)


def __getattr__(name: str) -> Callable[[], Any]:
    if name not in names():
        raise AttributeError(name)

    def factory() -> Any:
        size = pixels(name)
        architecture = getattr(tf.keras.applications, name)
        model = architecture(weights=None, input_shape=(size, size, 3), classes=10)
        # Few ops for each of the many variables; other optimizers are the fixtures' business.
        optimizer = tf.keras.optimizers.SGD(momentum=0.9)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        return model

    return factory
