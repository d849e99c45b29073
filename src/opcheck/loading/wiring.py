"""Whether the layers of a functional config can be connected at all.

Keras (2, and 3 until recently) tries a call again and again until what it reads is there: layers
that feed one another, or a call that never comes, keep it busy forever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter

from opcheck.errors import UnreadableModelError
from opcheck.loading import configs
from opcheck.loading.jsontree import Json, JsonObject

_Call = tuple[str, Json]  # a layer's name, and which of its calls: a layer may be used twice

_CONSTANT = "_CONSTANT_VALUE"  # in the place of a layer's name: a number (keras/engine/node.py)
_LONGEST = 200  # characters of names in a message


def check_wiring(model: JsonObject) -> None:
    """Raises UnreadableModelError when calls of layers feed one another in a circle, when one reads
    a layer or call that is not there, or when two layers of a model have one name."""
    todo = [model]
    for layer in todo:  # grows while it is walked
        todo += (child.layer for child in configs.children(layer) if child.prefix != "backward_")
        if len(todo) > configs.MAX_LAYERS:
            return
        if "input_layers" in configs.config(layer):
            _check_model(layer)


def counted_from_zero(config: JsonObject, names: Collection[str]) -> JsonObject:
    """A functional config in which the calls of the layers ``names`` are counted from 0.

    Those of a model inside a model Keras 2 counts from 1, but not those of the layer that takes its
    place here: it would wait forever for the last one.
    """
    keys = ("layers", "input_layers", "output_layers")
    reads = {read for key in keys for read in producers(config.get(key))}
    read = {name for name, _ in reads}
    shifted = {name for name in names if name in read and (name, 0) not in reads}
    if not shifted:
        return config
    changed = {key: _shifted(config[key], shifted) for key in keys if key in config}
    return {**config, **changed}


def _shifted(value: Json, names: Collection[str]) -> Json:
    if isinstance(value, dict):
        return {key: _shifted(item, names) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    match value:
        case [str() as name, int() as call, _, *rest] if name in names and len(rest) < 2:
            return [name, call - 1, value[2], *(_shifted(item, names) for item in rest)]
    return [_shifted(item, names) for item in value]


def _check_model(model: JsonObject) -> None:
    layers = [child.layer for child in configs.children(model) if child.slot == "layers"]
    members = {_key(layer): layer for layer in layers}
    if len(members) < len(layers):
        ((twice, _),) = Counter(map(_key, layers)).most_common(1)
        raise UnreadableModelError(f"Two layers of the model are called {twice[:_LONGEST]}.")
    feeds: dict[_Call, list[_Call]] = {}
    for name, layer in members.items():
        for index, node in enumerate(nodes(layer)):
            feeds[name, index] = reads = list(producers(node))
            _check_calls(f"Layer {name[:_LONGEST]}", reads, members)
    for end in ("input_layers", "output_layers"):
        reads = list(producers(configs.config(model).get(end)))
        _check_calls(f"The model's {end}", reads, members)
    try:
        TopologicalSorter(feeds).prepare()
    except CycleError as error:
        names = list(dict.fromkeys(name for name, _ in error.args[1]))
        raise UnreadableModelError(
            f"The layers of the model feed one another in a circle: {', '.join(names)[:_LONGEST]}."
        ) from None


def _check_calls(who: str, reads: list[_Call], members: dict[str, JsonObject]) -> None:
    for name, call in reads:
        if name not in members:
            raise UnreadableModelError(
                f"{who} reads {name[:_LONGEST]}, which is no layer of the model."
            )
        layer = members[name]
        calls = len(nodes(layer))
        if configs.class_name(layer) == "InputLayer":
            calls = max(calls, 1)
        elif isinstance(configs.config(layer).get("layers"), list):
            calls += 1  # Keras 2 counts how the model itself was made as the first
        if not isinstance(call, int) or not 0 <= call < calls:
            raise UnreadableModelError(
                f"{who} reads call {str(call)[:_LONGEST]} of {name[:_LONGEST]}, which there is not."
            )


def _key(layer: JsonObject) -> str:
    """The name that other layers know this one by."""
    name = layer.get("name")
    return name if isinstance(name, str) else configs.name(layer)


def nodes(layer: JsonObject) -> list[Json]:
    nodes = layer.get("inbound_nodes")
    return nodes if isinstance(nodes, list) else []


def producers(node: Json) -> Iterator[_Call]:
    """The calls that a node reads.

    Keras 2 writes ``[layer, call, tensor]`` in nested lists or dicts, and the keywords of the call
    behind it (tf_utils.convert_inner_node_data); Keras 3 ``args`` and ``kwargs``, in which tensors
    have a ``keras_history`` and lists are what they are.
    """
    keras_3 = isinstance(node, dict) and isinstance(node.get("kwargs"), dict)
    todo = [node]
    for value in todo:  # grows while it is walked
        if isinstance(value, dict):
            history = value.get("keras_history")
            yield from _call(history)
            todo += value.values() if history is None else ()
        elif isinstance(value, list):
            if not keras_3:
                yield from _call(value)
            todo += (item for item in value if isinstance(item, (list, dict)))


def _call(value: Json) -> Iterator[_Call]:
    match value:
        case [str() as name, call, _] | [str() as name, call, _, _] if name != _CONSTANT:
            yield name, call if isinstance(call, (int, str)) else str(call)
