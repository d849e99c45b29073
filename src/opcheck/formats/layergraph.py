"""The graph of the layers as it is drawn: of a result, or of a model file alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from opcheck.graph import LayerNode
from opcheck.placement.types import Verdict
from opcheck.report import Model, Op, Report, Result

Status = Literal["fails", "cpu", "host-pinned", "unknown", "minor", "accelerator", "none"]
_WORST_FIRST: tuple[Verdict, ...] = ("fails", "cpu", "host-pinned", "unknown")
_OUTSIDE = "(outside any layer)"


@dataclass(frozen=True)
class Box:
    """A layer, or what is in it deeper than is drawn. ``words`` say what leaves."""

    path: str
    class_name: str
    status: Status
    words: str


@dataclass(frozen=True)
class Arrow:
    """``copies`` are between the memories, per step; without ``data`` they are all there is."""

    source: str
    target: str
    data: bool = True
    copies: int = 0


@dataclass(frozen=True)
class LayerGraph:
    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def of_result(report: Report, result: Result, depth: int | None = None) -> LayerGraph:
    """The layers that have ops in the step. ``depth``: how many levels of models to open."""
    layers = {layer.path: layer for layer in report.model.layers}
    members: dict[str, list[Op]] = {}
    for op in result.ops:
        members.setdefault(_shown(op.layer, depth), []).append(op)
    arrows: dict[tuple[str, str], Arrow] = {}
    for flow in result.flows:
        ends = _shown(flow.source, depth), _shown(flow.target, depth)
        if ends[0] != ends[1]:
            old = arrows.get(ends, Arrow(*ends, data=False))
            arrows[ends] = Arrow(*ends, old.data or flow.data, old.copies + flow.crossings)
    paths = dict.fromkeys((*members, *(end for pair in arrows for end in pair)))
    boxes = (_box(path, layers.get(path), members.get(path, [])) for path in paths)
    title = f"{report.model.path}: {result.step} on {result.description}"
    return LayerGraph(title, tuple(boxes), tuple(arrows.values()))


def of_model(
    model: Model, edges: Iterable[tuple[str, str]], depth: int | None = None
) -> LayerGraph:
    """The layers as the file has them; ``edges`` are pairs of paths."""
    pairs = dict.fromkeys((_shown(a, depth), _shown(b, depth)) for a, b in edges)
    arrows = tuple(Arrow(a, b) for a, b in pairs if a != b)
    layers = {layer.path: layer for layer in model.layers}
    joined = dict.fromkeys(end for arrow in arrows for end in (arrow.source, arrow.target))
    alone = {_shown(layer.path, depth): None for layer in _leaves(model.layers)}
    boxes = (_box(path, layers.get(path), []) for path in joined or alone)
    return LayerGraph(model.path, tuple(boxes), arrows)


def _shown(path: str | None, depth: int | None) -> str:
    if path is None:
        return _OUTSIDE
    return path if depth is None else "/".join(path.split("/")[:depth])


def _leaves(layers: Sequence[LayerNode]) -> list[LayerNode]:
    parents = {layer.parent for layer in layers}
    return [layer for layer in layers if layer.path not in parents]


def _box(path: str, layer: LayerNode | None, ops: Sequence[Op]) -> Box:
    status, words = _judged(ops)
    return Box(path, layer.class_name if layer else "", status, words)


def _judged(ops: Sequence[Op]) -> tuple[Status, str]:
    """As the HTML report's model.js has it: the worst that an op of weight has."""
    if not ops:
        return "none", ""
    count = Counter(op.verdict for op in ops if op.matters or op.verdict in ("fails", "unknown"))
    worst = [status for status in _WORST_FIRST if count[status]]
    if worst:
        return worst[0], ", ".join(f"{count[status]} {status}" for status in worst)
    small = sum(op.leaves for op in ops)
    if small:
        return "minor", f"{small} small op{'s' if small > 1 else ''}"
    return "accelerator", ""
