"""OPC102."""

from __future__ import annotations

from opcheck.rules.base import Group, OpRule, rewrite_advice, sentence
from opcheck.rules.types import PlacedOp, Subject

_ADVICE = {
    "float64": "Build the model in float32: neither Metal nor DirectML computes in float64.",
    "complex64": "Keep complex tensors out of the layers that should run on the accelerator.",
    "int64": "Cast to int32 or float32 before this op, if the values allow it.",
}


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
    arrays or from `set_floatx`, int64 from `argmax`, `shape` and integer inputs. A scalar counter,
    such as the optimizer's int64 step, is harmless.

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
        used = {dtype for _, value in group.dtypes for dtype in _flat(value)}
        words = next((words for dtype, words in _ADVICE.items() if dtype in used), None)
        return words or rewrite_advice(group, subject)


def _flat(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
