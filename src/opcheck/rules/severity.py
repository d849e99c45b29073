"""How bad a placement is. The policy in words: docs/policy.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from opcheck.cost.sizes import is_handle
from opcheck.graph import TensorSpec

if TYPE_CHECKING:
    from opcheck.cost import OpCost, StepCost, StepCosts
    from opcheck.graph import OpNode
    from opcheck.placement.types import Placement
    from opcheck.rules.types import Severity

SMALL = 32
"""Elements. Shapes, axes, counters and learning rates stay below it; activations do not."""

ERROR_SHARE = 0.01
"""Of the step's FLOPs, or of its bytes. One layer of a deep network has about as much."""

WARNING_SHARE = 0.001
"""Below it nobody can measure the difference."""

ERROR_CROSSING_BYTES = 2**20
"""Copied per step. At 10 GB/s that takes as long as a small layer, whatever the rest costs."""

WARNING_CROSSINGS = 100
"""Copies per step. Each one waits for the device; 100 of them cost about a millisecond."""

_NUMBERS = ("float", "bfloat", "complex")


@dataclass
class Load:
    """What the fallbacks of one kind cost a step together; what is unknown adds nothing."""

    flops: int = 0
    bytes: int = 0
    crossing_bytes: int = 0
    crossings: int = 0

    def add(self, cost: OpCost) -> None:
        runs = 1 if cost.runs is None else cost.runs
        self.flops += (cost.flops or 0) * runs
        self.bytes += (cost.bytes or 0) * runs
        self.crossing_bytes += cost.crossing_bytes or 0
        self.crossings += cost.crossings


def severities(
    nodes: Sequence[OpNode], placements: Sequence[Placement], costs: StepCosts
) -> tuple[Severity | None, ...]:
    """How bad it is that each op is placed so; ``None`` when it is on the accelerator.

    Ops of one type and dtype are judged together: what every layer does on the CPU is as bad as
    one op that does as much.
    """
    loads: defaultdict[tuple[object, ...], Load] = defaultdict(Load)
    for node, placement, cost in zip(nodes, placements, costs.ops, strict=True):
        if node.live and placement.verdict in ("cpu", "host-pinned"):
            loads[_kind(node)].add(cost)
    return tuple(
        _severity(node, placement, cost, loads[_kind(node)], costs.step)
        for node, placement, cost in zip(nodes, placements, costs.ops, strict=True)
    )


def _kind(node: OpNode) -> tuple[object, ...]:
    return node.op_type, node.dtypes


def _severity(
    node: OpNode, placement: Placement, cost: OpCost, load: Load, step: StepCost
) -> Severity | None:
    """``load`` is what all ops of its kind cost the ``step``.

    - It fails on the target: ``error``. Nobody can run that step.
    - Unknown: ``warning``. Never good, and the run counts as incomplete.
    - Computed on the CPU (``cpu`` or ``host-pinned``): ``note`` if the placer keeps a constant or a
      shape beside the op that wants it, or if every tensor is small (see ``is_small``) and copies
      are few; else by its cost, see ``_by_cost``. Arithmetic on integers and booleans, which is
      bookkeeping, is at most a ``warning``; data of unknown cost at least one.
    """
    if placement.verdict == "accelerator":
        return None
    if placement.verdict == "fails":
        return "error"
    if placement.verdict == "unknown":
        return "warning"
    if placement.reason.code == "placer-heuristic":
        return "note"
    tensors = [tensor for tensor in (*node.inputs, *node.outputs) if not is_handle(tensor)]
    many = load.crossings >= WARNING_CROSSINGS
    if all(map(is_small, tensors)):
        return "warning" if many and cost.crossings else "note"
    found = _by_cost(load, step)
    data = any(tensor.dtype.startswith(_NUMBERS) for tensor in tensors)
    if not data and found == "error":
        return "warning"
    if data and found == "note" and (many or None in (cost.flops, cost.bytes, cost.runs)):
        return "warning"
    return found


def is_small(tensor: TensorSpec) -> bool:
    """At most ``SMALL`` elements. What has a dimension or a rank that is unknown is not small."""
    if tensor.shape is None or None in tensor.shape:
        return False
    return prod(size for size in tensor.shape if size is not None) <= SMALL


def _by_cost(load: Load, step: StepCost) -> Severity:
    """By the share of the step's FLOPs, or that of its bytes, with what is copied for it."""
    moved = load.bytes + load.crossing_bytes
    share = max(_share(load.flops, step.flops), _share(moved, step.bytes))
    if share >= ERROR_SHARE or load.crossing_bytes >= ERROR_CROSSING_BYTES:
        return "error"
    return "warning" if share >= WARNING_SHARE else "note"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
