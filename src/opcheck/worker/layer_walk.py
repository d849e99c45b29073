"""The live model's layers, under the same paths that the file reader gives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opcheck.worker.keras_api import KerasApi


def walk(model: Any, api: KerasApi) -> Iterator[tuple[str, Any]]:
    """Every layer below ``model`` with its path, parents first.

    Not listed are layers that a built-in layer makes for its own use (the cell of an LSTM, the
    dense layers of a MultiHeadAttention): users never wrote them and no file names them.
    """
    seen = {id(model)}
    todo = [("", model)]
    while todo:
        prefix, parent = todo.pop(0)
        for layer in _children(parent, api):
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            path = f"{prefix}{layer.name}"
            yield path, layer
            todo.append((f"{path}/", layer))


def _children(layer: Any, api: KerasApi) -> list[Any]:
    layers = api.module.layers
    if isinstance(layer, api.module.Model) or _is_users(layer):
        return [x for x in _direct(layer) if isinstance(x, api.layer_classes)]
    if isinstance(layer, layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    if isinstance(layer, layers.Wrapper):
        return [layer.layer]
    if type(layer) is layers.RNN:
        return [layer.cell]
    if isinstance(layer, layers.StackedRNNCells):
        return list(layer.cells)
    return []


def _is_users(layer: Any) -> bool:
    return type(layer).__module__.split(".")[0] not in ("keras", "tf_keras", "tensorflow")


def _direct(layer: Any) -> list[Any]:
    """Its own layers and operations (``operations``: Keras 3; ``_flatten_layers``: since 2.3)."""
    if operations := getattr(layer, "operations", None):
        return list(operations)
    try:
        return list(layer._flatten_layers(recursive=False, include_self=False))
    except (AttributeError, TypeError):
        return list(getattr(layer, "layers", ()))
