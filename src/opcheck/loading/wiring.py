"""Whether the layers of a functional config can be connected at all.

Keras (2.10 and 3.15 alike) waits forever for layers that feed one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from opcheck.errors import UnreadableModelError
from opcheck.loading import configs
from opcheck.loading.jsontree import Json, JsonObject

_Call = tuple[str, int]  # a layer's name, and which of its calls: a layer may be used twice


def check_wiring(model: JsonObject) -> None:
    """Raises UnreadableModelError when calls of layers feed one another in a circle."""
    todo = [model]
    for layer in todo:  # grows while it is walked
        todo += (child.layer for child in configs.children(layer) if child.prefix != "backward_")
        if len(todo) > configs.MAX_LAYERS:
            return
        if "input_layers" not in configs.config(layer):
            continue
        try:
            TopologicalSorter(_calls(layer)).prepare()
        except CycleError as error:
            names = ", ".join(dict.fromkeys(name for name, _ in error.args[1]))
            raise UnreadableModelError(
                f"The layers of the model feed one another in a circle: {names[:200]}."
            ) from None


def _calls(model: JsonObject) -> dict[_Call, list[_Call]]:
    calls = {}
    for child in configs.children(model):
        nodes = child.layer.get("inbound_nodes")
        for index, node in enumerate(nodes if isinstance(nodes, list) else ()):
            calls[configs.name(child.layer), index] = list(_producers(node))
    return calls


def _producers(node: Json) -> Iterator[_Call]:
    """Keras 2: ``[layer, call, tensor, ...]`` in lists; Keras 3: ``keras_history`` in objects."""
    todo = [node]
    for value in todo:  # grows while it is walked
        if isinstance(value, dict):
            value = value.get("keras_history") or list(value.values())
        if isinstance(value, list):
            match value:
                case [str() as name, int() as call, int(), *_]:
                    yield name, call
            todo += (item for item in value if isinstance(item, (list, dict)))
