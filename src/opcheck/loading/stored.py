"""What the format readers hand back, and the step they share: a config -> layers and hazards."""

from __future__ import annotations

import json

import msgspec

from opcheck.errors import RefusedModelError, UnreadableModelError
from opcheck.graph import LayerNode
from opcheck.loading import configs
from opcheck.loading.jsontree import JsonObject
from opcheck.loading.keras_classes import keras_classes
from opcheck.loading.safe_config import config_hazards
from opcheck.loading.types import Hazard
from opcheck.loading.wiring import check_wiring


class StoredModel(msgspec.Struct, frozen=True):
    """A model as stored, before the path, format and hash are added to make a ModelSource."""

    layers: tuple[LayerNode, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    keras_version: str | None = None
    backend: str | None = None
    architecture: str | None = None
    training: str | None = None
    name: str | None = None
    notes: tuple[str, ...] = ()


def model_from_config(
    root: JsonObject,
    *,
    training: JsonObject | None,
    keras_version: str | None,
    backend: str | None,
    path: str,
) -> StoredModel:
    """List the layers and hazards of a Keras config. Raises UnreadableModelError if it is none."""
    if not configs.is_object(root):
        raise UnreadableModelError(f"{path} holds JSON that is not the config of a Keras model.")
    root = configs.plain(root)
    training = None if training is None else configs.plain(training)
    check_wiring(root)
    architecture = json.dumps(root)
    training_text = None if training is None else json.dumps(training)
    layers = configs.layer_nodes(root, keras_classes(), keras_version)
    notes = () if layers else ("The file does not list the layers of this model.",)
    try:
        hazards = config_hazards(root, training)
    except RefusedModelError as error:
        hazards = (Hazard("custom-layer", None, error.message),)
    return StoredModel(
        layers=layers,
        hazards=hazards,
        keras_version=keras_version,
        backend=backend,
        architecture=architecture,
        training=training_text,
        name=configs.name(root),
        notes=notes,
    )
