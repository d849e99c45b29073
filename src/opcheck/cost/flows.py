"""What flows between layers: the data of the forward pass, and copies between the memories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from opcheck.cost.crossings import Crossing
from opcheck.cost.types import LayerFlow
from opcheck.graph import ModelGraph

_Pair = tuple[str | None, str | None]


def layer_flows(graph: ModelGraph, copies: Iterable[tuple[Crossing, int]]) -> tuple[LayerFlow, ...]:
    """``copies`` come with how often each is made in a step. Data comes first."""
    layer_of = {op.id: op.layer_path for op in graph.ops}
    data = dict.fromkeys(_data(graph, layer_of))
    crossed: defaultdict[_Pair, list[tuple[int, int | None]]] = defaultdict(list)
    for copy, times in copies:
        source = layer_of.get(copy.makers[0]) if copy.makers else None
        for target in dict.fromkeys(layer_of[user] for user in copy.users) or (source,):
            crossed[source, target].append((times, copy.bytes))
    return tuple(
        LayerFlow(
            source=source,
            target=target,
            data=(source, target) in data,
            crossings=sum(times for times, _ in crossed[source, target]),
            crossing_bytes=_bytes(crossed[source, target]),
        )
        for source, target in dict.fromkeys((*data, *crossed))
    )


def _data(graph: ModelGraph, layer_of: Mapping[str, str | None]) -> Iterator[_Pair]:
    """From one layer's forward ops to another's, straight or through ops of no layer."""
    forward = {op.id for op in graph.ops if op.role == "forward"}
    readers: defaultdict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        if edge.src_output >= 0 and edge.src in forward and edge.dst in forward:
            readers[edge.src].append(edge.dst)
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for op, layer in layer_of.items():
        if layer is not None and op in forward:
            sources[layer].append(op)
    for layer, ops in sources.items():
        waiting = [reader for op in ops for reader in readers[op]]
        seen: set[str] = set()
        while waiting:
            op = waiting.pop()
            if op in seen:
                continue
            seen.add(op)
            target = layer_of[op]
            if target is None:
                waiting += readers[op]
            elif target != layer:
                yield layer, target


def _bytes(copies: Sequence[tuple[int, int | None]]) -> int | None:
    total = 0
    for times, size in copies:
        if size is None:
            return None
        total += times * size
    return total
