"""Which inputs are indices into an Embedding, and so have to stay below its size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_PASSES = frozenset({"Identity", "ReadVariableOp"})
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


def gathers(graph: Any) -> list[tuple[Any, int]]:
    """`index_bounds`' lookups of a graph that no layer tells of: its gathers from variables.

    The tensors are ``graph``'s own; calls are followed, loops and branches are not.
    """
    library = {f.signature.name: f for f in graph.as_graph_def().library.function}
    sizes = {inner.ref(): size for outer, inner in graph.captures if (size := _rows(outer))}
    return _gathers(graph, graph, library, sizes)


def _gathers(
    body: Any, parent: Any, library: Mapping[str, Any], sizes: Mapping[Any, int]
) -> list[tuple[Any, int]]:
    """``sizes``: the first dimensions of the variables among the arguments of ``body``."""
    found: list[tuple[Any, int]] = []
    for op in body.get_operations():
        if op.type in ("ResourceGather", "GatherV2"):
            size = _size(op.inputs[0], sizes)
            axis = tf.get_static_value(op.inputs[2]) if op.type == "GatherV2" else 0
            if size is not None and axis == 0:
                found.append((op.inputs[1], size))
        elif op.type in _CALLS and (function := library.get(op.get_attr("f").name)) is not None:
            with parent.as_default():
                called = function_def_to_graph(function)
            passed = {
                inner.ref(): size
                for inner, outer in zip(called.inputs, op.inputs)  # noqa: B905  equally many
                if (size := _size(outer, sizes)) is not None
            }
            bounds = index_bounds(called.inputs, _gathers(called, parent, library, passed))
            found += [(t, b) for t, b in zip(op.inputs, bounds) if b is not None]  # noqa: B905
    return found


def _size(tensor: Any, sizes: Mapping[Any, int]) -> int | None:
    """The first dimension of the variable that ``tensor`` is the handle or the value of."""
    while tensor.op.type in _PASSES:
        tensor = tensor.op.inputs[0]
    return sizes.get(tensor.ref())


def _rows(handle: Any) -> int | None:
    """The first dimension of the variable behind a captured ``handle``."""
    data = getattr(handle, "_handle_data", None)
    if data is None or not data.is_set or len(data.shape_and_type) != 1:
        return None
    shape = tf.TensorShape(data.shape_and_type[0].shape)
    return int(shape[0]) if shape.rank and shape[0] is not None else None


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
