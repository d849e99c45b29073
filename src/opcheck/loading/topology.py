"""Which layer feeds which, from the stored config: the model as its author drew it.

A Functional config lists for each layer where its inputs come from (``inbound_nodes``; Keras 2:
``[name, node, tensor, ...]``, Keras 3: a tensor with ``keras_history``); a Sequential one is a
chain. Models inside a model are followed into; a wrapper such as Bidirectional is one layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from opcheck.errors import UnreadableModelError
from opcheck.loading import configs
from opcheck.loading.jsontree import JsonObject, parse_object
from opcheck.loading.types import ModelSource
from opcheck.loading.wiring import nodes, producers

Pair = tuple[str, str]

_MOST_PAIRS = 1_000_000  # every output of a model feeds every input of the next one


def layer_edges(source: ModelSource) -> tuple[Pair, ...]:
    """Pairs of layer paths, each once; empty where the file stores no config.

    Raises UnreadableModelError when there are more than ``_MOST_PAIRS``.
    """
    if source.architecture is None:
        return ()
    edges = _Walk().edges(parse_object(source.architecture, "The config"), None)
    pairs = list(islice(edges, _MOST_PAIRS + 1))
    if len(pairs) > _MOST_PAIRS:
        raise UnreadableModelError(
            f"The layers of {source.path} feed one another in more than {_MOST_PAIRS} pairs."
        )
    return tuple(dict.fromkeys(pairs))


class _Walk:
    """Where data enters and leaves a model is looked up once, however many layers read it."""

    def __init__(self) -> None:
        self._ends: dict[tuple[int, str], list[str]] = {}

    def edges(self, model: JsonObject, path: str | None) -> Iterator[Pair]:
        members = _members(model, path)
        functional = "input_layers" in configs.config(model)
        before: list[str] = []
        for member, (own, layer) in members.items():
            yield from self.edges(layer, own)
            for name in dict.fromkeys(_sources(layer) if functional else before):
                if name in members:
                    for start in self.ends(*members[name], "output_layers"):
                        yield from ((start, end) for end in self.ends(own, layer, "input_layers"))
            before = [member]

    def ends(self, path: str, layer: JsonObject, which: str) -> list[str]:
        """The layers that stand for a model where data enters it or leaves it."""
        key = id(layer), which
        if key not in self._ends:
            self._ends[key] = list(self._found(path, layer, which))
        return self._ends[key]

    def _found(self, path: str, layer: JsonObject, which: str) -> Iterator[str]:
        members = _members(layer, path)
        if not members:
            yield path
            return
        stored = dict.fromkeys(name for name, _ in producers(configs.config(layer).get(which)))
        names = [name for name in stored if name in members]
        for name in names or [list(members)[0 if which == "input_layers" else -1]]:
            yield from self.ends(*members[name], which)


def _members(model: JsonObject, path: str | None) -> dict[str, tuple[str, JsonObject]]:
    """The layers of a model by name: their path and config; none where it is a layer itself."""
    return {
        configs.name(child.layer): (configs.child_path(path, child), child.layer)
        for child in configs.children(model)
        if child.slot == "layers"
    }


def _sources(layer: JsonObject) -> Iterator[str]:
    """The names of the layers that this one reads."""
    return (name for node in nodes(layer) for name, _ in producers(node))
