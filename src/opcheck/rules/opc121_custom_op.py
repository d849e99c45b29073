"""OPC121."""

from __future__ import annotations

from opcheck.rules.base import Group, OpRule, sentence
from opcheck.rules.types import PlacedOp, Subject


class CustomOp(OpRule):
    """The model uses an op of a library of its own.

    ## What it does
    Reports ops that neither TensorFlow nor the plugin defines: of TensorFlow Addons, TensorFlow
    Text, a compiled custom op, or of another TensorFlow version than the target's.

    ## Why it matters
    Such a library brings kernels for the CPU, and for CUDA at best: on a pluggable accelerator the
    op runs on the CPU, and where the library has no build for the platform the model does not open.

    ## What to do
    Replace the op by ones of TensorFlow's own, or accept it with an `ignore` that says why
    (docs/policy.md).

    ## Source
    The op lists recovered from the wheels of the plugin and of the TensorFlow beside it.
    """

    code = "OPC121"

    def applies(self, op: PlacedOp) -> bool:
        return op.placement.verdict == "unknown" and op.placement.reason.code == "unknown-op"

    def message(self, group: Group, subject: Subject) -> str:  # noqa: ARG002
        return f"Where {group.label} runs is not known: {sentence(group.reason)}"
