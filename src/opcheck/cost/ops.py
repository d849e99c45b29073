"""What one op costs by itself: FLOPs and bytes from its tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opcheck.cost import sizes
from opcheck.cost.counting import UncountableError
from opcheck.cost.formulas import formula
from opcheck.cost.types import OpCost
from opcheck.graph import OpNode, TensorSpec

# Variables that an optimizer op reads and writes, each as large as its gradient (training_ops.cc).
_VARIABLES: Mapping[str, tuple[str, int]] = {
    "AssignVariableOp": ("value", 1),
    "AssignAddVariableOp": ("value", 1),
    "AssignSubVariableOp": ("value", 1),
    "ResourceApplyAdagrad": ("grad", 2),
    "ResourceApplyAdagradV2": ("grad", 2),
    "ResourceApplyAdam": ("grad", 3),
    "ResourceApplyGradientDescent": ("delta", 1),
    "ResourceApplyKerasMomentum": ("grad", 2),
    "ResourceApplyMomentum": ("grad", 2),
    "ResourceApplyRMSProp": ("grad", 3),
}
_ONLY_WRITTEN = frozenset({"AssignVariableOp"})


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
    if op.op_type not in _VARIABLES:
        return 0
    argument, count = _VARIABLES[op.op_type]
    size = sizes.total(tensor for tensor in op.inputs if tensor.name == argument)
    return None if size is None else count * size


def _added(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _unsized(tensors: Iterable[TensorSpec]) -> str:
    return next(tensor.name for tensor in tensors if sizes.size(tensor) is None)
