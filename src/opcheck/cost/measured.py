"""Times that a profiler measured, beside what was counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from opcheck.cost.types import OpCost
from opcheck.graph import ModelGraph
from opcheck.placement import without_counters
from opcheck.worker.protocol import OpTime


def measured(
    graph: ModelGraph, costs: Sequence[OpCost], times: Sequence[OpTime], device: str
) -> tuple[OpCost, ...]:
    """``costs``, those of ``graph.ops`` in order, with the ``times`` of a step on ``device``.

    Ops that share a name in the profile, copies of a function's body, share its time equally.
    """
    found: dict[str, int] = defaultdict(int)
    for time in times:
        found[without_counters(time.name)] += time.nanoseconds
    keys = [op.placed_as or op.id for op in graph.ops]
    sharing = Counter(keys)
    return tuple(
        msgspec.structs.replace(
            cost, self_time_ns=found[key] // sharing[key], self_time_device=device
        )
        if key in found
        else cost
        for key, cost in zip(keys, costs, strict=True)
    )
