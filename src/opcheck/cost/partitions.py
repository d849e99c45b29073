"""Into how many parts a step falls: the fewest that can each run on one device in one go.

The ops are run in turns: everything that is ready on one device, then everything that is ready on
the other, and so on; the better of the two ways to begin counts. No order has fewer turns, since
each turn runs all it can. What is connected by data within one turn is one partition, so two
partitions of one device never wait for each other in a circle. (TensorFlow Lite cuts a graph for a
delegate the same way: tensorflow/lite/graph_info.cc.) Only ops that run count, a loop's body once.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opcheck.graph import ModelGraph

if TYPE_CHECKING:
    from opcheck.graph import Edge


def partitions(graph: ModelGraph, on_host: Mapping[str, bool]) -> int:
    """How many; ``on_host`` says of every op that counts whether it computes on the CPU."""
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
    return _connected(edges, turns)


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
    while ready[False] or ready[True]:
        while ready[device]:
            op = ready[device].popleft()
            found[op] = turn
            for later in after.get(op, ()):
                left[later] -= 1
                if left[later] == 0:
                    ready[on_host[later]].append(later)
        turn, device = turn + 1, not device
    return found


def _connected(edges: Sequence[Edge], turns: Mapping[str, int]) -> int:
    """Groups of ops of one turn that data connects."""
    from networkx.utils import UnionFind  # 0.1 s that `opcheck inspect` need not wait

    union: UnionFind[str] = UnionFind(turns)
    for edge in edges:
        if edge.src_output >= 0 and turns.get(edge.src, -1) == turns.get(edge.dst, -2):
            union.union(edge.src, edge.dst)
    return sum(1 for _ in union.to_sets())
