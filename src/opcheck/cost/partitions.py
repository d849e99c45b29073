"""Into how many parts a step falls: the fewest that can each run on one device in one go.

The ops are run in turns: everything that is ready on one device, then everything that is ready on
the other, and so on; the better of the two ways to begin counts. No order has fewer turns, since
each turn runs all it can. Then each op moves to the last turn of its device that its readers allow,
for a constant is no work of the turn that could have made it first. What is connected by data
within one turn is one partition, so two partitions never wait for each other in a circle.
(TensorFlow Lite cuts a graph for a delegate much the same way: tensorflow/lite/graph_info.cc.) Only
ops that run count, a loop's body once.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opcheck.graph import ModelGraph

if TYPE_CHECKING:
    from opcheck.graph import Edge


def partitions(graph: ModelGraph, on_host: Mapping[str, bool]) -> tuple[int, int]:
    """How many partitions, and in how many turns.

    ``on_host`` says of every op that counts whether it computes on the CPU.
    """
    edges = [e for e in graph.edges if e.src in on_host and e.dst in on_host and not e.back]
    after: dict[str, list[str]] = defaultdict(list)
    waits = dict.fromkeys(on_host, 0)
    for edge in edges:
        after[edge.src].append(edge.dst)
        waits[edge.dst] += 1
    turns = min(
        (_turns(on_host, after, waits, first=first) for first in (False, True)),
        key=lambda found: max(found.values(), default=0),
    )
    number = max(turns.values(), default=-1) + 1
    return _connected(edges, _late(turns, on_host, after)), number


def _turns(
    on_host: Mapping[str, bool],
    after: Mapping[str, Sequence[str]],
    waits: Mapping[str, int],
    *,
    first: bool,
) -> dict[str, int]:
    """The turn in which each op runs; the CPU begins when ``first``."""
    left = dict(waits)
    ready: dict[bool, deque[str]] = {False: deque(), True: deque()}
    for op, count in waits.items():
        if count == 0:
            ready[on_host[op]].append(op)
    turn, device = 0, first
    found: dict[str, int] = {}
    rest = iter(waits)
    while ready[False] or ready[True] or len(found) < len(waits):
        if not ready[False] and not ready[True]:  # a circle: a loop as TensorFlow 1 writes it
            op = next(op for op in rest if op not in found)
            left[op] = -1
            ready[on_host[op]].append(op)
        while ready[device]:
            op = ready[device].popleft()
            found[op] = turn
            for later in after.get(op, ()):
                left[later] -= 1
                if left[later] == 0:
                    ready[on_host[later]].append(later)
        turn, device = turn + 1, not device
    return found


def _late(
    turns: Mapping[str, int], on_host: Mapping[str, bool], after: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    """Each op in the last turn of its device from which its readers get it in time."""
    found: dict[str, int] = {}
    for op in reversed(list(turns)):  # in the order they ran, so readers are done first
        limits = [
            found.get(reader, turns[reader]) - (on_host[reader] != on_host[op])
            for reader in after.get(op, ())
        ]
        latest = max(min(limits, default=turns[op]), turns[op])
        found[op] = latest - (latest - turns[op]) % 2
    return found


def _connected(edges: Sequence[Edge], turns: Mapping[str, int]) -> int:
    """Groups of ops of one turn that data connects."""
    from networkx.utils import UnionFind  # 0.1 s that `opcheck inspect` need not wait

    union: UnionFind[str] = UnionFind(turns)
    for edge in edges:
        if edge.src_output >= 0 and turns.get(edge.src, -1) == turns.get(edge.dst, -2):
            union.union(edge.src, edge.dst)
    return sum(1 for _ in union.to_sets())
