"""Gives the ops of the backward pass and of the optimizer the layer they serve.

Forward ops come with the layer that made them. A gradient op's name holds the name scope of the op
it differentiates (TensorFlow's eager/backprop.py: ``gradient_tape/<scope>``), so it belongs to the
layer whose forward ops live in that scope. What is left follows the data: the update of a
variable serves the layer that the variable's gradient came from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from opcheck.graph.types import ARGUMENT, Edge, LayerNode, OpNode

_BACKWARD_SCOPES = ("gradient_tape", "gradients")
_SERVES = frozenset({"backward", "optimizer"})

Scope = tuple[str, ...]


def attribute(
    ops: Iterable[OpNode], edges: Iterable[Edge], layers: tuple[LayerNode, ...]
) -> tuple[OpNode, ...]:
    """``ops`` with ``layer_path`` and ``role`` filled in where they can be told."""
    named = [_with_role(op) for op in ops]
    scopes = _scopes(named)
    found = {op.id: _layer(op, scopes, layers) for op in named}
    _follow_data(named, tuple(edges), found)
    return tuple(
        op
        if op.layer_path == found[op.id]
        else msgspec.structs.replace(op, layer_path=found[op.id])
        for op in named
    )


def _with_role(op: OpNode) -> OpNode:
    """Ops that TensorFlow itself makes (loop gradients) carry no stamp; their names tell."""
    if op.role == "forward" and op.id.split("/", 1)[0] in _BACKWARD_SCOPES:
        return msgspec.structs.replace(op, role="backward")
    return op


def _scopes(ops: Iterable[OpNode]) -> Mapping[Scope, str]:
    """Name scope -> the layer most of its forward ops belong to."""
    votes: dict[Scope, Counter[str]] = defaultdict(Counter)
    for op in ops:
        if op.layer_path and op.role == "forward":
            parts = tuple(op.id.split("/"))
            votes[parts][op.layer_path] += 1
            votes[parts[:-1]][op.layer_path] += 1
    votes.pop((), None)
    return {scope: counter.most_common(1)[0][0] for scope, counter in votes.items()}


def _layer(op: OpNode, scopes: Mapping[Scope, str], layers: tuple[LayerNode, ...]) -> str | None:
    if op.layer_path:
        return op.layer_path
    if op.role == "backward":
        return _of_scope(op.id, scopes)
    if op.role == "forward" and not scopes:  # a SavedModel: names are all there is
        return _of_name(op.id, layers)
    return None


def _of_scope(name: str, scopes: Mapping[Scope, str]) -> str | None:
    """The layer of the longest known forward scope inside ``name``."""
    parts = tuple(name.split("/"))
    best: tuple[int, str | None] = (0, None)
    for start in range(len(parts)):
        for end in range(len(parts), start + best[0], -1):
            layer = scopes.get(parts[start:end])
            if layer is not None:
                best = (end - start, layer)
                break
    return best[1]


def _of_name(name: str, layers: tuple[LayerNode, ...]) -> str | None:
    """The deepest layer whose path is in the scope of ``name``."""
    scope = "/" + name.rpartition("/")[0] + "/"
    inside = [layer.path for layer in layers if f"/{layer.path}/" in scope]
    return max(inside, key=len, default=None)


def _follow_data(ops: list[OpNode], edges: tuple[Edge, ...], found: dict[str, str | None]) -> None:
    """The layer of the producers, else of the consumers, among backward and optimizer ops.

    A variable is its layer's too: an optimizer's slot belongs to the layer whose gradient is
    written to it, so the ops that read it back serve that layer.
    """
    serving = {op.id for op in ops if op.role in _SERVES}
    through = _Tuples({op.id for op in ops if op.op_type == "IdentityN"}, edges)
    producers: dict[str, set[str]] = defaultdict(set)
    consumers: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        if edge.src_output < 0 or edge.dst in through.ops:
            continue
        for source in through.sources(edge.src, edge.src_output):
            if source.startswith(ARGUMENT) or (source in serving and edge.dst in serving):
                producers[edge.dst].add(source)
                consumers[source].add(edge.dst)
    variables = [source for source in consumers if source.startswith(ARGUMENT)]
    for variable in variables:
        found[variable] = _common({found[op] for op in consumers[variable] - serving})
    forward = [op.id for op in ops if op.id in serving]
    for neighbours, order in (
        (consumers, variables),
        (producers, forward),
        (consumers, variables),
        (producers, forward),
        (consumers, forward[::-1]),
    ):
        for name in order:
            if found[name] is None:
                found[name] = _common({found[other] for other in neighbours[name]})


def _common(paths: set[str | None]) -> str | None:
    """The one layer they name; of a layer and those inside it, the innermost."""
    named = {path for path in paths if path is not None}
    innermost = max(named, key=len, default=None)
    if all(f"{innermost}/".startswith(f"{path}/") for path in named):
        return innermost
    return None


class _Tuples:
    """Looks through IdentityN, which bundles all gradients: its output k is its input k."""

    def __init__(self, ops: set[str], edges: tuple[Edge, ...]) -> None:
        self.ops = ops
        self._inputs: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
        for edge in edges:
            if edge.dst in ops and edge.src_output >= 0:
                self._inputs[edge.dst, edge.dst_input].append((edge.src, edge.src_output))

    def sources(self, op: str, output: int) -> set[str]:
        """The ops that really produce output ``output`` of ``op``."""
        if op not in self.ops:
            return {op}
        return {s for source in self._inputs[op, output] for s in self.sources(*source)}
