"""Builds a functional model again, node by node, with some layers replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from opcheck.worker.inputs import structure_of
from opcheck.worker.keras_api import KerasApi


@dataclass(frozen=True)
class Call:
    """One call of a layer in a model; ``shared``: it is called more than once there."""

    path: str
    layer: Any
    args: Any
    kwargs: Any
    shared: bool


Replace = Callable[[Call], Any]
"""What to put in the place of a call, or ``None`` to call the layer itself."""


@dataclass(frozen=True)
class KerasToolkit:
    """What rewrites work with (`opcheck.fixes.Toolkit`)."""

    major: int
    layers: Any
    ops: Any
    call: Callable[[Any, Any], Any]


class _TensorFlowOps:
    """The functions of ``keras.ops`` that rewrites use, for Keras 2, which saves TensorFlow's."""

    abs = staticmethod(tf.abs)
    exp = staticmethod(tf.exp)
    log1p = staticmethod(tf.math.log1p)
    matmul = staticmethod(tf.matmul)
    relu = staticmethod(tf.nn.relu)
    reshape = staticmethod(tf.reshape)
    tanh = staticmethod(tf.tanh)


def toolkit(api: KerasApi, call: Callable[[Any, Any], Any]) -> KerasToolkit:
    ops = api.module.ops if api.major >= 3 else _TensorFlowOps
    return KerasToolkit(api.major, api.module.layers, ops, call)


def is_functional(model: Any, api: KerasApi) -> bool:
    """Whether its graph of layers is all there is to it: functional and sequential models, but not
    of a class of the user's own, which may have a step of its own."""
    return type(model) in api.model_classes and _graph(model) is not None


def rebuilt(model: Any, api: KerasApi, replace: Replace, prefix: str = "") -> Any:
    """``model`` again, every call of a layer offered to ``replace``; other layers are the same.

    Nested models are rebuilt too where something in them is replaced.
    """
    graph = _graph(model)
    inputs = structure_of(model, "inputs")
    copies = {
        id(tensor): api.module.Input(batch_shape=tuple(tensor.shape), dtype=_dtype(tensor), name=n)
        for tensor, n in zip(graph.inputs, _input_names(graph), strict=True)
    }
    nested: dict[int, Any] = {}
    calls = Counter(id(_layer(node, api)) for node in nodes(model))
    for node in nodes(model):
        layer = _layer(node, api)
        args, kwargs = _moved(_arguments(node, api), copies)
        path = f"{prefix}{layer.name}"
        outputs = replace(Call(path, layer, args, kwargs, calls[id(layer)] > 1))
        if outputs is None:
            if id(layer) not in nested:
                nested[id(layer)] = _inner(layer, api, replace, path)
            outputs = nested[id(layer)](*args, **kwargs)
        new = tf.nest.flatten(outputs)
        for old, tensor in zip(tf.nest.flatten(node.outputs), new, strict=True):
            copies[id(old)] = tensor
    outputs = _moved(structure_of(model, "outputs"), copies)
    return api.module.Model(_moved(inputs, copies), outputs, name=model.name)


def _inner(layer: Any, api: KerasApi, replace: Replace, path: str) -> Any:
    """The layer itself, or a nested model rebuilt where that changes it."""
    if not is_functional(layer, api):
        return layer
    changed = False

    def watching(call: Call) -> Any:
        nonlocal changed
        output = replace(call)
        changed = changed or output is not None
        return output

    new = rebuilt(layer, api, watching, f"{path}/")
    return new if changed else layer


def nodes(model: Any) -> Iterator[Any]:
    """The calls of layers in a model's graph, each after those it needs."""
    by_depth = _graph(model)._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        yield from (node for node in by_depth[depth] if not node.is_input)


def _layer(node: Any, api: KerasApi) -> Any:
    return node.operation if api.major >= 3 else node.layer


def _graph(model: Any) -> Any:
    """What holds the nodes: the model, or in Keras 3 what a Sequential wraps."""
    found = getattr(model, "_functional", None) or model
    return found if getattr(found, "_nodes_by_depth", None) else None


def _arguments(node: Any, api: KerasApi) -> tuple[Any, Any]:
    if api.major >= 3:
        return node.arguments.args, node.arguments.kwargs
    return node.call_args, node.call_kwargs


def _moved(value: Any, copies: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _moved(item, copies) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)([_moved(item, copies) for item in value])
    return copies.get(id(value), value)


def _input_names(graph: Any) -> list[str]:
    layers = getattr(graph, "_input_layers", None) or []
    names = [layer.name for layer in layers]
    return names if len(names) == len(graph.inputs) else [None] * len(graph.inputs)  # type: ignore[list-item]


def _dtype(tensor: Any) -> str:
    return getattr(tensor.dtype, "name", None) or str(tensor.dtype)
