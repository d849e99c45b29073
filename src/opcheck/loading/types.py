"""What can be known about a model file without running anything from it."""

from __future__ import annotations

from typing import Literal

import msgspec

from opcheck.graph import LayerNode

ModelFormat = Literal["hdf5", "keras", "savedmodel", "frozen-graph", "factory", "live"]


class Hazard(msgspec.Struct, frozen=True):
    """Something in the file that runs code, reads elsewhere, or cannot be rebuilt from Keras alone.

    ``code`` is stable (``lambda``, ``custom-layer``, ``custom-function``, ``external-file``, ...);
    ``layer`` is the layer's path, ``None`` when it concerns the whole file.
    """

    code: str
    layer: str | None
    message: str


class ModelSource(msgspec.Struct, frozen=True):
    """A model file, read as data.

    ``architecture`` and ``training`` are the JSON texts Keras stored (model config and compile
    config), ``None`` where the format has none. ``keras_version`` and ``backend`` are as stored.
    ``sha256`` is of the file; of a folder, of its model file (``saved_model.pb``); of a live model,
    of its configs; ``""`` for a factory. ``keras_package`` is the package that must rebuild it
    (``keras``, ``tf_keras``), ``None`` where any may.
    """

    path: str
    format: ModelFormat
    sha256: str
    keras_version: str | None
    backend: str | None
    layers: tuple[LayerNode, ...]
    hazards: tuple[Hazard, ...]
    architecture: str | None = None
    training: str | None = None
    name: str | None = None
    notes: tuple[str, ...] = ()
    keras_package: str | None = None
