"""Lets Keras trace as it would on a machine with an accelerator.

Keras writes other graphs when TensorFlow lists a GPU: Keras 3's LSTM and GRU take the fused
CudnnRNN, and channels-first convolutions are not transposed. What runs on the target must be traced
so, while the step that runs here must not. (Keras 3.15: backend/tensorflow/rnn.py
``_is_gpu_available``, backend/tensorflow/nn.py ``_cpu_only``; Keras 2: layers/rnn/lstm.py.)
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf


class DeviceQuestions:
    """Counts how often Keras was told of a GPU that is not there; if never, no other graph."""

    asked = 0


@contextlib.contextmanager
def pretended_gpu() -> Iterator[DeviceQuestions]:
    """Inside, TensorFlow lists one more logical device: a GPU. Nothing can be placed on it."""
    questions = DeviceQuestions()
    gpu = tf.config.LogicalDevice(name="/device:GPU:0", device_type="GPU")

    def listing(original: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        def list_logical_devices(device_type: str | None = None) -> list[Any]:
            found = list(original(device_type))
            if device_type not in (None, "GPU") or _has_gpu(found):
                return found
            questions.asked += 1
            return [*found, gpu]

        return list_logical_devices

    configs = [tf.config, tf.compat.v2.config, tf.compat.v1.config]
    originals = [config.list_logical_devices for config in configs]
    for config, original in zip(configs, originals, strict=True):
        config.list_logical_devices = listing(original)
    _forget_devices()
    try:
        yield questions
    finally:
        for config, original in zip(configs, originals, strict=True):
            config.list_logical_devices = original
        _forget_devices()


def variables_there() -> dict[str, str]:
    """Devices of variables here -> where they are on a machine with an accelerator.

    Optimizers work ``with tf.device(variable.device)``, which is a full name, unlike what users
    write. Empty where there is an accelerator: then the names are right as they are.
    """
    if _has_gpu(tf.config.list_logical_devices()):
        return {}
    name = "/job:localhost/replica:0/task:0/device:"
    return {f"{name}CPU:0": f"{name}GPU:0"}


def _has_gpu(devices: list[Any]) -> bool:
    return any(device.device_type == "GPU" for device in devices)


def _forget_devices() -> None:
    """Keras 3 caches the answer for the life of the process."""
    with contextlib.suppress(ImportError):
        nn = importlib.import_module("keras.src.backend.tensorflow.nn")
        cached = getattr(nn, "_cpu_only", None)
        if cached is not None:
            cached.cache_clear()
