"""Legacy HDF5 models: everything is in string attributes of the root group.

No link is followed and no dataset read, so external files cannot be reached from here.
"""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from opcheck.errors import UnreadableModelError
from opcheck.loading.hdf5_attributes import root_attributes
from opcheck.loading.hdf5_library import Answer, ask
from opcheck.loading.jsontree import MAX_BYTES, parse_object
from opcheck.loading.stored import StoredModel, model_from_config
from opcheck.loading.types import Hazard

_NAMES = frozenset({"model_config", "training_config", "keras_version", "backend", "layer_names"})
_WEIGHT_GROUPS = frozenset({"layers", "vars", "_layer_checkpoint_dependencies", "optimizer"})


def read_hdf5(file: BinaryIO, path: str) -> StoredModel:
    """Read the configs of a whole-model HDF5 file.

    Raises UnreadableModelError when the file is damaged, holds only weights, or is not by Keras.
    """
    attributes = root_attributes(file, _NAMES, MAX_BYTES) or {}
    library = ask(file, _NAMES, MAX_BYTES)
    if not attributes.get("model_config"):
        attributes = library.attributes
        if not attributes.get("model_config"):
            raise _no_model(path, library)
    text = attributes["model_config"]
    root = parse_object(text, f"The model_config of {path}")
    training = attributes.get("training_config")
    stored = model_from_config(
        root,
        training=parse_object(training, f"The training_config of {path}") if training else None,
        keras_version=attributes.get("keras_version"),
        backend=attributes.get("backend"),
        path=path,
    )
    return msgspec.structs.replace(stored, hazards=stored.hazards + weights_hazards(library, path))


def weights_hazards(library: Answer, path: str) -> tuple[Hazard, ...]:
    """What happens to whoever loads the weights, or that it cannot be known."""
    hazards = [
        Hazard("external-file", None, f"{path}: {name} is {where}.")
        for name, where in library.foreign
    ]
    hazards += [
        Hazard(
            "oversized-weights",
            None,
            f"{path}: {name} takes {size >> 20} MB, of which almost nothing is stored.",
        )
        for name, size in library.oversized
    ]
    if library.error is not None:
        message = f"{path}: the weights are damaged or not as Keras writes them: {library.error}."
        hazards.append(Hazard("unread-weights", None, message))
    return tuple(hazards)


def _no_model(path: str, library: Answer) -> UnreadableModelError:
    if library.error is not None:
        return UnreadableModelError(
            f"{path} begins like HDF5 but is damaged or cut short ({library.error}).",
            hint="Copy or download it again.",
        )
    if "layer_names" in library.attributes or _WEIGHT_GROUPS & set(library.names):
        return UnreadableModelError(
            f"{path} holds only weights, not the layers of a model.",
            hint="Save the whole model with model.save(...), or give package.module:build_model.",
        )
    return UnreadableModelError(
        f"{path} is an HDF5 file without a Keras model in it.",
        hint="Save the whole model with model.save(...).",
    )
