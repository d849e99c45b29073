"""What one op costs by itself: FLOPs and bytes from its tensors."""

from __future__ import annotations

from collections.abc import Iterable

from opcheck.cost import sizes
from opcheck.cost.counting import UncountableError
from opcheck.cost.formulas import formula
from opcheck.cost.types import OpCost
from opcheck.graph import OpNode, TensorSpec

# Ops that write to variables, and what they call the tensor that tells how much of each
# (training_ops.cc, resource_variable_ops.cc).
_UPDATES = ("Assign", "ResourceApply", "ResourceScatter", "ResourceSparseApply", "ResourceStrided")
_AS_LARGE = frozenset({"delta", "grad", "updates", "value"})
_ONLY_WRITTEN = frozenset(
    {
        "AssignVariableOp",
        "ResourceScatterNdUpdate",
        "ResourceScatterUpdate",
        "ResourceStridedSliceAssign",
    }
)


def op_cost(
    op: OpNode, *, runs: int | None = 1, crossings: int = 0, crossing_bytes: int | None = 0
) -> OpCost:
    """FLOPs, bytes and elements of one execution; the rest is the step's business."""
    flops, estimate, unknown = _flops(op)
    variables = _variables(op)
    bytes_in = _added(sizes.total(op.inputs), 0 if op.op_type in _ONLY_WRITTEN else variables)
    bytes_out = _added(sizes.total(op.outputs), variables)
    if unknown is None and None in (bytes_in, bytes_out):
        unknown = f"the size of its tensor {_unsized((*op.inputs, *op.outputs))} is unknown"
    return OpCost(
        elements=sizes.largest((*op.inputs, *op.outputs)),
        flops=flops,
        estimate=estimate,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        unknown=unknown,
        in_loop=bool(op.loops),
        runs=runs,
        crossings=crossings,
        crossing_bytes=crossing_bytes,
    )


def _flops(op: OpNode) -> tuple[int | None, bool, str | None]:
    """The count, whether it is an estimate, and why there is none."""
    known = formula(op.op_type)
    if known is None:
        return None, False, f"no formula for {op.op_type}"
    try:
        return known.count(op), known.estimate, None
    except UncountableError as error:
        return None, False, str(error)
    except (IndexError, KeyError, ValueError):  # a node that its op's definition does not describe
        return None, False, f"the formula for {op.op_type} does not fit its tensors"


def _variables(op: OpNode) -> int | None:
    """Bytes of the variables it works on, which its handles do not tell."""
    if not op.op_type.startswith(_UPDATES):
        return 0
    size = sizes.total(tensor for tensor in op.inputs if tensor.name in _AS_LARGE)
    return None if size is None else size * sum(t.dtype == "resource" for t in op.inputs)


def _added(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _unsized(tensors: Iterable[TensorSpec]) -> str:
    return next(tensor.name for tensor in tensors if sizes.size(tensor) is None)
