"""Which inputs are indices into an Embedding, and so have to stay below its size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# They read the shape of a tensor, not its values.
_SHAPE_ONLY = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"})


def index_bounds(inputs: Iterable[Any], lookups: Iterable[tuple[Any, int]]) -> list[int | None]:
    """For each of a graph's ``inputs`` the size of the smallest Embedding that its values reach.

    ``lookups`` are the tensors that Embeddings were called on while the graph was traced, and their
    ``input_dim``. Bodies of functions are followed outwards; those of loops are not.
    """
    bounds: dict[Any, int] = {}
    for tensor, size in lookups:
        for origin in _origins(tensor):
            bounds[origin] = min(size, bounds.get(origin, size))
    return [bounds.get(tensor.ref()) for tensor in inputs]


def _origins(tensor: Any) -> set[Any]:
    """References to every tensor that the values of ``tensor`` come from."""
    seen: set[Any] = set()
    todo = [tensor]
    while todo:
        each = todo.pop()
        if each.ref() in seen or not hasattr(each, "op"):
            continue
        seen.add(each.ref())
        if each.op.type not in _SHAPE_ONLY:
            todo.extend(each.op.inputs)
        if each.op.type == "Placeholder":
            captures = getattr(each.graph, "captures", ())
            todo.extend(outer for outer, inner in captures if inner is each)
    return seen
