"""OPC101."""

from __future__ import annotations

from opcheck.rules.base import Group, OpRule, rewrite_advice, sentence
from opcheck.rules.types import PlacedOp, Subject


class NoKernel(OpRule):
    """No kernel for this op on the accelerator.

    ## What it does
    Reports ops for which neither the plugin nor TensorFlow itself registers a kernel that works on
    the accelerator, whatever the dtype. TensorFlow's soft placement runs them on the CPU.

    ## Why it matters
    The op computes on the CPU, and each step copies its inputs there and its outputs back. Inside a
    layer that otherwise runs on the accelerator those copies, and the waiting for them, often cost
    more than the op.

    ## What to do
    Write the layer with ops that have a kernel, take a layer or an activation that does, or use a
    version of the plugin that has the kernel. If the op is outside the hot path, leave it.

    ## Source
    The kernel registry recovered from the plugin's wheel and from the TensorFlow it runs beside
    (`opcheck targets` says which). Questions it answers: tensorflow-directml-plugin#365,
    Apple developer forums 759438.
    """

    code = "OPC101"

    def applies(self, op: PlacedOp) -> bool:
        return op.placement.verdict == "cpu" and op.placement.reason.code == "no-kernel"

    def message(self, group: Group, subject: Subject) -> str:  # noqa: ARG002
        return f"{group.label} runs on the CPU: {sentence(group.reason)}"

    def fix(self, group: Group, subject: Subject) -> str | None:
        return rewrite_advice(group, subject)
