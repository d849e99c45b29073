"""The shape of a Keras config: objects, layers, and the slots in which layers hold layers.

Keras stores an object as ``{"class_name": ..., "config": {...}}``; Keras 3 (and 2.12+ in ``.keras``
archives) adds ``module`` and ``registered_name``. Everything here only looks at such dicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

from opcheck.errors import UnreadableModelError
from opcheck.graph import LayerNode
from opcheck.loading.jsontree import Json, JsonObject
from opcheck.loading.keras_classes import KerasClasses

MAX_LAYERS = 100_000  # nested Bidirectional layers double at every level

MAX_PATH = 2000  # characters; the path of a nested layer has the names of all those above it

LIST_SLOTS = ("layers", "cells")
SINGLE_SLOTS = ("layer", "backward_layer", "cell", "linear_model", "dnn_model")


class Child(NamedTuple):
    """A layer directly below another; ``prefix`` is what Keras puts before its name."""

    slot: str
    prefix: str
    layer: JsonObject


def plain(root: JsonObject) -> JsonObject:
    """A config as Keras will see it, before anything in it is judged.

    The metadata of a SavedModel marks tuples (``{"class_name": "__tuple__", "items": [...]}``), in
    which Keras 2 sees their items: a class could be named by one.

    Raises:
        UnreadableModelError: an object's class or module is no text, so that nobody can tell what
            it would be.
    """
    return cast(JsonObject, _plain(root, untuple="registered_name" not in root))


def _plain(value: Json, *, untuple: bool) -> Json:
    if isinstance(value, list):
        return [_plain(item, untuple=untuple) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _plain(item, untuple=untuple) for key, item in value.items()}
    if untuple and inner.get("class_name") in ("__tuple__", "TensorShape") and "items" in inner:
        return inner["items"]
    if "class_name" in inner:
        for key in ("class_name", "module", "registered_name"):
            found = inner.get(key)
            if not isinstance(found, str) and (found is not None or key == "class_name"):
                raise UnreadableModelError(f"The {key} of an object in the config is no text.")
    return inner


def is_object(value: Json) -> bool:
    """Whether this is a serialized Keras object (class, function or special value)."""
    return isinstance(value, dict) and isinstance(value.get("class_name"), str)


def class_name(layer: JsonObject) -> str:
    """The class without the package it was registered under (``package>Class``)."""
    return str(layer.get("class_name")).rpartition(">")[2]


def registered_name(layer: JsonObject) -> str | None:
    """``package>Class`` when the object was registered under a package, else None."""
    for name in (layer.get("registered_name"), layer.get("class_name")):
        if isinstance(name, str) and ">" in name:
            return name
    return None


def module(layer: JsonObject) -> str | None:
    value = layer.get("module")
    return value if isinstance(value, str) else None


def config(layer: JsonObject) -> JsonObject:
    """The object's config as a dict; Sequential configs before Keras 2.2.3 are lists of layers."""
    value = layer.get("config")
    if isinstance(value, list):
        return {"layers": value}
    return value if isinstance(value, dict) else {}


def name(layer: JsonObject) -> str:
    for value in (config(layer).get("name"), layer.get("name")):
        if isinstance(value, str) and value:
            return value
    return class_name(layer)


def children(layer: JsonObject) -> Iterator[Child]:
    """The layers directly below ``layer``, in the order in which Keras lists them."""
    inner = config(layer)
    bidirectional = class_name(layer) == "Bidirectional"
    for slot in SINGLE_SLOTS:
        value = inner.get(slot)
        if isinstance(value, dict) and is_object(value):
            if bidirectional and slot == "layer":
                yield Child(slot, "forward_", value)
                if not is_object(inner.get("backward_layer")):
                    yield Child(slot, "backward_", value)
            else:
                yield Child(slot, "backward_" if slot == "backward_layer" else "", value)
    for slot in LIST_SLOTS:
        values = inner.get(slot)
        for value in values if isinstance(values, list) else ():
            if isinstance(value, dict) and is_object(value):
                yield Child(slot, "", value)


def child_path(parent: str | None, child: Child) -> str:
    own = name(child.layer)
    if child.prefix and not own.startswith(child.prefix):
        own = child.prefix + own
    return own if parent is None else f"{parent}/{own}"


def layer_nodes(
    root: JsonObject, classes: KerasClasses, keras_version: str | None
) -> tuple[LayerNode, ...]:
    """Every layer below the root model, parents first.

    Raises UnreadableModelError when there are more than ``MAX_LAYERS``.
    """
    nodes: list[LayerNode] = []
    _collect(root, None, classes, keras_version, nodes)
    return tuple(nodes)


def _collect(
    layer: JsonObject,
    path: str | None,
    classes: KerasClasses,
    keras_version: str | None,
    nodes: list[LayerNode],
) -> None:
    for child in children(layer):
        below = child_path(path, child)
        if len(below) > MAX_PATH:
            raise UnreadableModelError(
                f"A layer's path in the model's config is longer than {MAX_PATH} characters."
            )
        kind = classes.kind(child.layer, keras_version)
        if kind == "builtin" and next(children(child.layer), None) is not None:
            kind = "wrapper"
        nodes.append(
            LayerNode(
                path=below,
                class_name=class_name(child.layer),
                module=module(child.layer) or classes.public_module(class_name(child.layer), kind),
                kind=kind,
                parent=path,
            )
        )
        if len(nodes) > MAX_LAYERS:
            raise UnreadableModelError(f"The model's config lists more than {MAX_LAYERS} layers.")
        _collect(child.layer, below, classes, keras_version, nodes)
