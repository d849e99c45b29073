"""What shapes a config records for the outputs of a layer that cannot be built."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from opcheck.loading import configs
from opcheck.loading.jsontree import Json, JsonObject


class Output(NamedTuple):
    """Shape and dtype of what a layer returns; lists of them when it returns several tensors."""

    shape: Json
    dtype: Json


UNKNOWN = Output(None, None)


def outputs(layers: list[JsonObject], functional: bool) -> dict[str, Output]:
    """Layer name -> output, for the layers of one model whose consumers say what they were given.

    Keras 3 records every tensor where it is consumed; archives of Keras 2.12 and later record the
    input shape that a layer was built with, which is its producer's output shape.
    """
    recorded = {name: _merge(tensors) for name, tensors in _tensors(layers).items()}
    built = _from_build_configs(layers, functional)
    return {**built, **recorded}


def lambda_output(layer: JsonObject) -> Output:
    """A Lambda may state its output shape, without the batch dimension."""
    shape = configs.config(layer).get("output_shape")
    if isinstance(shape, list) and shape and all(d is None or isinstance(d, int) for d in shape):
        return Output([None, *shape], None)
    return UNKNOWN


def _tensors(layers: list[JsonObject]) -> dict[str, dict[int, list[Output]]]:
    found: dict[str, dict[int, list[Output]]] = {}
    for layer in layers:
        for tensor in _keras_tensors(layer.get("inbound_nodes")):
            history = tensor.get("keras_history")
            if not isinstance(history, list) or len(history) != 3:
                continue
            name, _, index = history
            if isinstance(name, str) and isinstance(index, int) and 0 <= index < 64:
                output = Output(_shape(tensor.get("shape")), tensor.get("dtype"))
                found.setdefault(name, {}).setdefault(index, []).append(output)
    return found


def _keras_tensors(value: Json) -> Iterator[JsonObject]:
    if isinstance(value, list):
        for item in value:
            yield from _keras_tensors(item)
    elif isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield configs.config(value)
        else:
            for item in value.values():
                yield from _keras_tensors(item)


def _merge(tensors: dict[int, list[Output]]) -> Output:
    """One output for a single tensor; lists for several. Nodes that disagree leave a None."""
    merged = []
    for index in range(max(tensors) + 1):
        seen = tensors.get(index, [])
        merged.append(seen[0] if seen and all(o == seen[0] for o in seen) else UNKNOWN)
    if len(merged) == 1:
        return merged[0]
    return Output([o.shape for o in merged], [o.dtype for o in merged])


def _from_build_configs(layers: list[JsonObject], functional: bool) -> dict[str, Output]:
    found = {}
    for before, layer in pairwise(layers):
        producer = _only_producer(layer) if functional else configs.name(before)
        build = layer.get("build_config")
        shape = _shape(build.get("input_shape")) if isinstance(build, dict) else None
        if producer is not None and shape is not None:
            found[producer] = Output(shape, None)
    return found


def _only_producer(layer: JsonObject) -> str | None:
    """The layer that feeds this one, in the nested lists of a Keras 2 config; None if several."""
    node = layer.get("inbound_nodes")
    while isinstance(node, list) and len(node) == 1:
        node = node[0]
    if isinstance(node, list) and len(node) == 4 and isinstance(node[0], str) and node[2] == 0:
        return node[0]
    return None


def _shape(value: Json) -> Json:
    """A list of sizes (int or None), out of what Keras wrote; None when it is something else."""
    if isinstance(value, dict) and isinstance(value.get("config"), list):
        value = value["config"]
    if isinstance(value, list) and all(d is None or isinstance(d, int) for d in value):
        return value
    return None
