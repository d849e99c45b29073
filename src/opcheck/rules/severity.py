"""How bad a placement is. The policy in words: docs/policy.md."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from opcheck.graph import TensorSpec

if TYPE_CHECKING:
    from opcheck.graph import OpNode
    from opcheck.placement.types import Placement
    from opcheck.rules.types import Severity

SMALL = 32
"""Elements. Shapes, axes, counters and learning rates stay below it; activations do not."""

_HANDLES = frozenset({"resource", "resource_ref"})


def severity(op: OpNode, placement: Placement) -> Severity | None:
    """How bad it is that ``op`` is placed so; ``None`` when it is on the accelerator.

    - It fails on the target: ``error``. Nobody can run that step.
    - Unknown: ``warning``. Never good, and the run counts as incomplete.
    - Computed on the CPU (``cpu`` or ``host-pinned``):
      ``note`` if it is bookkeeping, which is when every tensor it reads and writes is small
      (see ``is_small``), or when it is there only because the placer keeps a constant or a shape
      beside the op that wants it;
      ``error`` if it is part of a layer's forward or backward pass;
      ``warning`` in the loss, the optimizer and the metrics, and when a tensor's rank is unknown.

    Sizes stand in for cost here: what an op costs to run and to copy is not modelled yet.
    """
    if placement.verdict == "accelerator":
        return None
    if placement.verdict == "fails":
        return "error"
    if placement.verdict == "unknown":
        return "warning"
    if placement.reason.code == "placer-heuristic":
        return "note"
    tensors = [t for t in (*op.inputs, *op.outputs) if t.dtype not in _HANDLES]
    large = [t for t in tensors if not is_small(t)]
    if not large:
        return "note"
    if op.role in ("forward", "backward") and any(t.shape is not None for t in large):
        return "error"
    return "warning"


def is_small(tensor: TensorSpec) -> bool:
    """At most ``SMALL`` elements, whatever the batch size.

    An unknown dimension may be the batch, so a tensor with one is small only when it holds a single
    element beside it: ``(None,)`` is small, ``(None, 10)`` is not. An unknown rank is not small.
    """
    if tensor.shape is None:
        return False
    unknown = tensor.shape.count(None)
    known = prod(d for d in tensor.shape if d is not None)
    return known <= SMALL if unknown == 0 else unknown == 1 and known <= 1
