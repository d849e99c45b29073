"""What a step costs on a target: the sum over its ops, the copies, and the worst fallbacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from opcheck.cost.crossings import Crossing, crossings
from opcheck.cost.flows import layer_flows
from opcheck.cost.ops import op_cost
from opcheck.cost.partitions import partitions
from opcheck.cost.types import ExpensiveOp, LayerFlow, OpCost, StepCost
from opcheck.graph import ModelGraph, OpNode
from opcheck.placement.types import Placement

_MOST = 10

# Only to rank fallbacks, never reported as time: what a laptop's CPU and its bus do in a second, to
# the nearest power of ten (a core's vector units, memory, the latency of a copy).
_FLOPS_PER_SECOND = 1e11
_BYTES_PER_SECOND = 1e10
_SECONDS_PER_CROSSING = 1e-5


class StepCosts(msgspec.Struct, frozen=True):
    """``ops`` has one cost for each op of the graph, in its order."""

    ops: tuple[OpCost, ...]
    step: StepCost
    flows: tuple[LayerFlow, ...]


def assess(
    graph: ModelGraph,
    placements: Sequence[Placement],
    added: Sequence[Placement] = (),
    *,
    batch: int,
) -> StepCosts:
    """Count what ``graph`` costs where ``placements``, those of ``graph.ops`` in order, put it.

    ``added`` are the placements of ``graph.added``; ``batch`` is the batch size its shapes were
    made for.
    """
    runs = {op.id: _runs(op, graph) if op.loops else 1 for op in graph.nodes.values()}
    copies = [(copy, _times(copy, runs)) for copy in crossings(graph, placements, added)]
    touching: dict[str, list[tuple[Crossing, int]]] = defaultdict(list)
    for copy, times in copies:
        for op_id in {*copy.makers, *copy.users}:
            touching[op_id].append((copy, times))
    costs = tuple(
        op_cost(
            op,
            runs=runs[op.id],
            crossings=sum(times for _, times in touching[op.id]),
            crossing_bytes=_bytes(touching[op.id]),
        )
        for op in graph.ops
    )
    live = [
        (op, where, cost)
        for op, where, cost in zip(graph.ops, placements, costs, strict=True)
        if op.live
    ]
    return StepCosts(costs, _step(graph, live, copies, batch), layer_flows(graph, copies))


def _runs(op: OpNode, graph: ModelGraph) -> int | None:
    """Rounds of all the loops around it, multiplied."""
    rounds = 1
    for loop in op.loops:
        trips = graph.trips.get(loop)
        if trips is None:
            return None
        rounds *= trips
    return rounds


def _times(copy: Crossing, runs: Mapping[str, int | None]) -> int:
    """What a loop does not change is copied before it, what it leaves after it."""
    made = runs.get(copy.source, 1)
    read = max(runs[reader] or 1 for reader in copy.readers)
    return min(made or 1, read)


def _bytes(copies: Iterable[tuple[Crossing, int]]) -> int | None:
    total = 0
    for copy, times in copies:
        if copy.bytes is None:
            return None
        total += copy.bytes * times
    return total


def _step(
    graph: ModelGraph,
    live: Sequence[tuple[OpNode, Placement, OpCost]],
    copies: Sequence[tuple[Crossing, int]],
    batch: int,
) -> StepCost:
    here = [cost for _, where, cost in live if where.verdict == "accelerator"]
    everywhere = [cost for _, _, cost in live]
    flops, flops_here = (_total(costs, lambda cost: cost.flops) for costs in (everywhere, here))
    moved, moved_here = (_total(costs, lambda cost: cost.bytes) for costs in (everywhere, here))
    known = [(copy, times) for copy, times in copies if copy.bytes is not None]
    on_host = {
        op.id: where.verdict in ("cpu", "host-pinned")
        for op, where, _ in live
        if where.verdict not in ("unknown", "fails")
    }
    groups, turns = partitions(graph, on_host)
    return StepCost(
        batch=batch,
        flops=flops,
        flops_accelerator=flops_here,
        flops_share=flops_here / flops if flops else None,
        bytes=moved,
        bytes_accelerator=moved_here,
        bytes_share=moved_here / moved if moved else None,
        unknown_ops=sum(cost.unknown is not None for cost in everywhere),
        unknown_loops=sum(cost.runs is None for cost in everywhere),
        partitions=groups,
        turns=turns,
        crossings=sum(times for _, times in copies),
        crossing_bytes=_bytes(known) or 0,
        unknown_crossings=sum(times for copy, times in copies if copy.bytes is None),
        most_expensive=_most_expensive(live),
    )


def _total(costs: Iterable[OpCost], of: Callable[[OpCost], int | None]) -> int:
    """Per step; what is unknown adds nothing, an unknown loop counts as one round."""
    return sum((of(cost) or 0) * _rounds(cost) for cost in costs)


def _rounds(cost: OpCost) -> int:
    return 1 if cost.runs is None else cost.runs


def _most_expensive(
    live: Sequence[tuple[OpNode, Placement, OpCost]],
) -> tuple[ExpensiveOp, ...]:
    leaving = [(op, cost) for op, where, cost in live if where.verdict in ("cpu", "host-pinned")]
    leaving.sort(key=lambda pair: weight(pair[1]), reverse=True)
    return tuple(
        ExpensiveOp(
            name=op.id,
            op=op.op_type,
            layer=op.layer_path,
            flops=cost.of_a_step(cost.flops),
            bytes=cost.of_a_step(cost.bytes),
            crossings=cost.crossings,
            crossing_bytes=cost.crossing_bytes,
        )
        for op, cost in leaving[:_MOST]
        if weight(cost) > 0
    )


def weight(cost: OpCost) -> float:
    """An order among fallbacks: how they would rank by time on a typical laptop."""
    work = (cost.flops or 0) / _FLOPS_PER_SECOND + (cost.bytes or 0) / _BYTES_PER_SECOND
    copied = (cost.crossing_bytes or 0) / _BYTES_PER_SECOND
    return work * _rounds(cost) + copied + cost.crossings * _SECONDS_PER_CROSSING
