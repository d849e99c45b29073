"""A live ``keras.Model`` -> ModelSource: the config it would be saved with, without its weights.

Keras is not imported here: whoever holds a model has done so.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from opcheck.errors import UnreadableModelError
from opcheck.loading.stored import model_from_config
from opcheck.loading.types import Hazard, ModelSource

_KERAS = ("keras", "tf_keras")
_OWN = (*_KERAS, "tensorflow", "builtins")
_LEGACY_UTILS = ("saving.saving_utils", "saving.legacy.saving_utils")


class LiveModel(NamedTuple):
    """``modules`` define the model's own layers, loss and optimizer; rebuilding it needs them."""

    source: ModelSource
    modules: tuple[str, ...]


def is_model(value: object) -> bool:
    """Whether this is a model of Keras 2 or 3."""
    return _package(value) is not None and hasattr(value, "to_json") and hasattr(value, "layers")


def read_live(model: Any) -> LiveModel:
    """Describe a live model. Raises UnreadableModelError when Keras cannot serialize it."""
    package = _package(model)
    path = f"<{model.name}>"
    try:
        root = json.loads(model.to_json())
    except Exception as error:  # whatever a get_config of the user's raises
        raise UnreadableModelError(
            f"{path} cannot be serialized by Keras: {_first_line(error)}.",
            hint="Write get_config for its own layers, or give package.module:build_model.",
        ) from error
    version = str(root.pop("keras_version", None) or sys.modules[package or "keras"].__version__)
    root.pop("compile_config", None)  # Keras 3 has it in there
    training, notes = _training(model)
    stored = model_from_config(
        root, training=training, keras_version=version, backend="tensorflow", path=path
    )
    modules, unreachable = _modules(model)
    content = f"{stored.architecture}\0{stored.training}".encode()
    source = ModelSource(
        path=path,
        format="live",
        sha256=hashlib.sha256(content).hexdigest(),
        keras_version=stored.keras_version,
        backend=stored.backend,
        layers=stored.layers,
        hazards=(*stored.hazards, *unreachable),
        architecture=stored.architecture,
        training=stored.training,
        name=model.name,
        notes=stored.notes + notes,
        keras_package=package,
    )
    return LiveModel(source, modules)


def describe_live(model: Any) -> ModelSource:
    """What a report says of a live model that is not rebuilt; its layers are found as it is traced.

    ``sha256`` is empty: Keras may not be able to serialize it.
    """
    package = _package(model)
    version = str(sys.modules[package or "keras"].__version__)
    path, name = f"<{model.name}>", model.name
    return ModelSource(
        path, "live", "", version, "tensorflow", (), (), name=name, keras_package=package
    )


def _package(model: object) -> str | None:
    """``keras`` or ``tf_keras``: where the class that it is a model by comes from."""
    roots = [cls.__module__.partition(".")[0] for cls in type(model).__mro__]
    return next((root for root in roots if root in _KERAS), None)


def _training(model: Any) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The compile config, as the model's own Keras would save it."""
    if getattr(model, "optimizer", None) is None:
        return None, ()
    try:
        config = _compile_config(model)
        return json.loads(msgspec.json.encode(config, enc_hook=_plain)), ()
    except Exception as error:  # a loss that is a closure, a schedule without get_config, ...
        note = f"The loss and optimizer cannot be serialized ({_first_line(error)})."
        return None, (note,)


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Keras saves them; of anything else, what it calls itself."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _compile_config(model: Any) -> Any:
    package = _package(model)
    if hasattr(model, "get_compile_config"):  # Keras 2.12 and later
        config = model.get_compile_config()
        if "optimizer" not in config:  # Keras 3 forgets it when it saves the model as HDF5
            library = sys.modules[f"{package}.saving"]
            config = {**config, "optimizer": library.serialize_keras_object(model.optimizer)}
        return config
    for name in _LEGACY_UTILS:
        utils = sys.modules.get(f"{package}.{name}")
        if utils is not None:
            return utils.model_metadata(model, include_optimizer=True)["training_config"]
    return None


def _modules(model: Any) -> tuple[tuple[str, ...], tuple[Hazard, ...]]:
    """The modules to import in another process, and what it cannot get from any."""
    names: dict[str, None] = {}
    hazards: list[Hazard] = []
    for value in _parts(model):
        cls = value if inspect.isfunction(value) else type(value)
        module, qualified = cls.__module__, cls.__qualname__
        if module.partition(".")[0] in _OWN:
            continue
        if module == "__main__" or "<locals>" in qualified:
            where = "the main script" if module == "__main__" else "a function"
            message = f"{qualified} is defined in {where}, where no other process can import it."
            hazards.append(Hazard("custom-object", None, message))
        else:
            names[module] = None
    return tuple(names), tuple(dict.fromkeys(hazards))


def _parts(model: Any) -> Iterator[Any]:
    yield from model._flatten_layers()  # Keras 2 and 3 alike; public in neither
    for name in ("optimizer", "loss"):
        value = getattr(model, name, None)
        values = value.values() if isinstance(value, dict) else value
        yield from (
            part
            for part in (values if isinstance(values, (list, tuple)) else [values])
            if part is not None and not isinstance(part, str)
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
