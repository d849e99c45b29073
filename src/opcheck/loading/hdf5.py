"""Legacy HDF5 models: everything is in string attributes of the root group.

No link is followed and no dataset opened, so external files cannot be reached from here.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from opcheck.errors import UnreadableModelError
from opcheck.loading.hdf5_attributes import root_attributes
from opcheck.loading.jsontree import MAX_BYTES, parse_object
from opcheck.loading.stored import StoredModel, model_from_config
from opcheck.loading.types import Hazard

if TYPE_CHECKING:
    import h5py

_NAMES = frozenset({"model_config", "training_config", "keras_version", "backend", "layer_names"})
_WEIGHT_GROUPS = frozenset({"layers", "vars", "_layer_checkpoint_dependencies", "optimizer"})


def read_hdf5(file: BinaryIO, path: str) -> StoredModel:
    """Read the configs of a whole-model HDF5 file.

    Raises UnreadableModelError when the file is damaged, holds only weights, or is not by Keras.
    """
    attributes = root_attributes(file, _NAMES, MAX_BYTES)
    foreign: dict[str, str] = {}
    if not attributes or not attributes.get("model_config"):
        file.seek(0)
        attributes, links, foreign = _ask_h5py(file, path)
        if not attributes.get("model_config"):
            raise _no_model(path, attributes, links)
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
    hazards = tuple(
        Hazard("external-file", None, f"{path}: {name} is a link to {where}.")
        for name, where in foreign.items()
    )
    return msgspec.structs.replace(stored, hazards=stored.hazards + hazards)


def _ask_h5py(file: BinaryIO, path: str) -> tuple[dict[str, str], list[str], dict[str, str]]:
    """The attributes, the names in the root group, and those among them that are links."""
    import h5py  # 0.1 s and 30 MB, for files that Keras did not write in the usual way

    try:
        with h5py.File(file, "r") as h5:
            attributes = {name: _text(h5, name) for name in _NAMES if name in h5.attrs}
            links = [str(name) for name in islice(h5, 1000)]
            foreign = {}
            for name in links:
                link = h5.get(name, getlink=True)
                if isinstance(link, (h5py.ExternalLink, h5py.SoftLink)):
                    foreign[name] = f"{getattr(link, 'filename', 'this file')}:{link.path}"
            return attributes, links, foreign
    except UnreadableModelError as error:
        raise UnreadableModelError(f"{path}: {error.message}", hint=error.hint) from None
    except Exception as error:  # h5py raises about any type on damaged files
        raise UnreadableModelError(
            f"{path} begins like HDF5 but is damaged or cut short ({_short(error)}).",
            hint="Copy or download it again.",
        ) from None


def _text(h5: h5py.File, name: str) -> str:
    """A scalar string attribute; "" for anything else (``layer_names`` is an array)."""
    attribute = h5.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind not in "SO":
        return ""
    if attribute.get_storage_size() > MAX_BYTES:
        raise UnreadableModelError(f"its attribute {name} is larger than {MAX_BYTES >> 20} MB.")
    value = h5.attrs[name]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _no_model(path: str, attributes: dict[str, str], links: list[str]) -> UnreadableModelError:
    if "layer_names" in attributes or _WEIGHT_GROUPS & set(links):
        return UnreadableModelError(
            f"{path} holds only weights, not the layers of a model.",
            hint="Save the whole model with model.save(...), or give package.module:build_model.",
        )
    return UnreadableModelError(
        f"{path} is an HDF5 file without a Keras model in it.",
        hint="Save the whole model with model.save(...).",
    )


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
