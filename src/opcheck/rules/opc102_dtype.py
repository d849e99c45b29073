"""OPC102."""

from __future__ import annotations

from opcheck.rules.base import Group, OpRule, rewrite_advice, sentence
from opcheck.rules.types import PlacedOp, Subject

_RESULTS = frozenset({"out_idx", "out_type", "output_type"})  # arguments of that name in Python


class DtypeNotRegistered(OpRule):
    """The accelerator has a kernel for this op, but not for this dtype.

    ## What it does
    Reports ops whose kernel is registered on the accelerator for other dtypes (or other attribute
    values) than the ones the model uses.

    ## Why it matters
    Nothing in the model's code or in TensorFlow's usual output shows it: the op is "supported", and
    still runs on the CPU with copies in both directions.

    ## What to do
    Cast to a dtype that is registered; the message lists them. float64 usually comes from numpy
    arrays or from `set_floatx`, int64 from `argmax`, `shape` and integer inputs; the first two take
    the type of their result, `output_type=tf.int32` or `out_type=tf.int32`. A scalar counter, such
    as the optimizer's int64 step, is harmless.

    ## Source
    The kernel registry recovered from the plugin's wheel. Met by users as
    tensorflow-directml-plugin#347 (`_FusedConv2D` in float16) and Apple developer forums 726860
    (`ResourceGather`) and 686634 (`AssignSubVariableOp`); DirectML has no float64: DirectML#309.
    """

    code = "OPC102"

    def applies(self, op: PlacedOp) -> bool:
        return op.placement.verdict == "cpu" and op.placement.reason.code == "dtype"

    def message(self, group: Group, subject: Subject) -> str:  # noqa: ARG002
        return f"{group.label} runs on the CPU: {sentence(group.reason)}"

    def fix(self, group: Group, subject: Subject) -> str | None:
        if group.severity == "note":  # a counter: casting it would gain nothing
            return None
        return _advice(group.ops[0]) or rewrite_advice(group, subject)


def _advice(op: PlacedOp) -> str | None:
    """What type would help; none where the op does not compute there with it either."""
    used = {attr: _flat(value) for attr, value in op.node.dtypes}
    if any("complex64" in types for types in used.values()):
        return "Keep complex tensors out of the layers that should run on the accelerator."
    for attr, types in op.placement.instead:
        if attr in _RESULTS:
            return f"Ask for the result in {types[0]}: {attr}=tf.{types[0]}."
        if "float64" in used[attr] and "float32" in types:
            return "Build the model in float32: neither Metal nor DirectML computes in float64."
        casts = [dtype for dtype in ("int32", "float32") if dtype in types]
        if "int64" in used[attr] and casts:
            return f"Cast to {' or '.join(casts)} before this op, if the values allow it."
    return None


def _flat(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
