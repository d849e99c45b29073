"""Which layer feeds which, from the stored config: the model as its author drew it.

A Functional config lists for each layer where its inputs come from (``inbound_nodes``; Keras 2:
``[name, node, tensor, ...]``, Keras 3: a tensor with ``keras_history``); a Sequential one is a
chain. Models inside a model are followed into; a wrapper such as Bidirectional is one layer.
"""

from __future__ import annotations

from collections.abc import Iterator

from opcheck.loading import configs
from opcheck.loading.jsontree import Json, JsonObject, parse_object
from opcheck.loading.types import ModelSource

Pair = tuple[str, str]


def layer_edges(source: ModelSource) -> tuple[Pair, ...]:
    """Pairs of layer paths, each once; empty where the file stores no config."""
    if source.architecture is None:
        return ()
    return tuple(dict.fromkeys(_edges(parse_object(source.architecture, "The config"), None)))


def _edges(model: JsonObject, path: str | None) -> Iterator[Pair]:
    members = _members(model, path)
    for member, (own, layer) in members.items():
        yield from _edges(layer, own)
        for name in dict.fromkeys(_sources(model, member, layer, list(members))):
            if name in members:
                for start in _ends(*members[name], "output_layers"):
                    yield from ((start, end) for end in _ends(own, layer, "input_layers"))


def _members(model: JsonObject, path: str | None) -> dict[str, tuple[str, JsonObject]]:
    """The layers of a model by name: their path and config; none where it is a layer itself."""
    return {
        configs.name(child.layer): (configs.child_path(path, child), child.layer)
        for child in configs.children(model)
        if child.slot == "layers"
    }


def _sources(model: JsonObject, name: str, layer: JsonObject, order: list[str]) -> Iterator[str]:
    """The names of the layers that this one reads."""
    if "input_layers" in configs.config(model):
        yield from _names(layer.get("inbound_nodes"))
    elif order.index(name):
        yield order[order.index(name) - 1]


def _ends(path: str, layer: JsonObject, which: str) -> Iterator[str]:
    """The layers that stand for a model where data enters it or leaves it."""
    members = _members(layer, path)
    if not members:
        yield path
        return
    stored = list(_names(configs.config(layer).get(which)))
    names = [name for name in stored if name in members]
    for name in names or [list(members)[0 if which == "input_layers" else -1]]:
        yield from _ends(*members[name], which)


def _names(value: Json) -> Iterator[str]:
    """The layers that a structure of tensors names."""
    if isinstance(value, dict):
        history = value.get("keras_history")
        yield from _names(history if history is not None else list(value.values()))
    elif isinstance(value, list):
        if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
            yield value[0]
            value = value[3:]
        for item in value:
            yield from _names(item)
