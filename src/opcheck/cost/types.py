"""What an op and a step cost. Counted, not measured; what cannot be counted is ``None``."""

from __future__ import annotations

import msgspec


class OpCost(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One execution of one op, at the step's batch size.

    ``flops``: arithmetic operations, a multiply-add as two; 0 for an op that only moves data.
    ``estimate``: the count is not exact, see `opcheck.cost.flops`. ``bytes_in`` and ``bytes_out``:
    its tensors, and the variables it reads and writes; handles have no size. ``elements``: of its
    largest tensor. ``unknown``: why ``flops`` or bytes are ``None``.

    ``runs``: times per step; ``None`` in a loop of unknown length.

    ``crossings``: copies between host and device memory per step that its inputs and outputs take
    part in; ``crossing_bytes``: their size. A copy that serves several ops counts for each.

    ``self_time_ns`` per step on ``self_time_device``: measured, where the step ran under a
    profiler.
    """

    elements: int | None = None
    flops: int | None = None
    estimate: bool = False
    bytes_in: int | None = None
    bytes_out: int | None = None
    unknown: str | None = None
    in_loop: bool = False
    runs: int | None = 1
    crossings: int = 0
    crossing_bytes: int | None = 0
    self_time_ns: int | None = None
    self_time_device: str | None = None

    @property
    def bytes(self) -> int | None:
        """Read and written by one execution."""
        if self.bytes_in is None or self.bytes_out is None:
            return None
        return self.bytes_in + self.bytes_out

    def of_a_step(self, count: int | None) -> int | None:
        """What is counted for one execution, for all of a step's."""
        return None if count is None or self.runs is None else count * self.runs


NOT_COUNTED = OpCost(unknown="it was not counted")


class LayerFlow(msgspec.Struct, frozen=True, kw_only=True):
    """From one layer to another, or within one; ``None`` is what belongs to no layer.

    ``data``: a tensor of the forward pass flows so. ``crossings``: copies per step, of any pass,
    from the one's ops for the other's; ``crossing_bytes``: their size, ``None`` when unknown. A
    copy that serves several layers counts for each.
    """

    source: str | None
    target: str | None
    data: bool
    crossings: int
    crossing_bytes: int | None


class ExpensiveOp(msgspec.Struct, frozen=True, kw_only=True):
    """A fallback among the most expensive, with what it costs per step (``None``: unknown)."""

    name: str
    op: str
    layer: str | None
    flops: int | None
    bytes: int | None
    crossings: int
    crossing_bytes: int | None


class StepCost(msgspec.Struct, frozen=True, kw_only=True):
    """One step on one target, ``batch`` examples at once where the model leaves the batch open.

    Sums are over ops whose cost is known; ``unknown_ops`` counts the others. An op in a loop counts
    as often as it runs, once where that is unknown (``unknown_loops`` says for how many ops).
    ``flops_share`` and ``bytes_share``, 0 to 1: the accelerator's part, ``None`` when there is
    nothing to share.

    ``partitions``: groups of connected ops that run on one device without waiting for the other;
    ``turns``: how often the devices take turns at least, see `opcheck.cost.partitions`.

    ``crossings``: copies of a tensor between host and device memory; ``crossing_bytes`` is the size
    of those whose shape is known, ``unknown_crossings`` the number of the others.
    ``most_expensive``: up to ten fallbacks, the worst first.
    """

    batch: int
    flops: int
    flops_accelerator: int
    flops_share: float | None
    bytes: int
    bytes_accelerator: int
    bytes_share: float | None
    unknown_ops: int
    unknown_loops: int
    partitions: int
    turns: int
    crossings: int
    crossing_bytes: int
    unknown_crossings: int
    most_expensive: tuple[ExpensiveOp, ...]
