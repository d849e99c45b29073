"""OPC103."""

from __future__ import annotations

from opcheck.rules.base import Group, OpRule, sentence
from opcheck.rules.types import PlacedOp, Subject


class PulledToCpu(OpRule):
    """An op with a kernel on the accelerator is placed on the CPU all the same.

    ## What it does
    Reports ops that could run on the accelerator and do not, because of another op: they touch the
    same variable as an op that has no kernel there (a colocation group), the placer keeps them
    beside their consumer, or the model asks for the CPU.

    ## Why it matters
    One op without a kernel can take a variable, and everything that reads or updates it, to the
    CPU: an Embedding whose sparse update has no kernel is trained on the CPU as a whole.

    ## What to do
    Look for the finding of the op that the message names. When that op has a kernel, or is gone,
    these follow it back. Constants and shapes that the placer keeps beside their consumer are
    notes.

    ## Source
    TensorFlow's `common_runtime/placer.cc`, `colocation_graph.cc` and `inspecting_placer.cc`. The
    message "Cannot assign a device for operation ... colocated with a group of nodes" is the same
    thing with soft placement off; tensorflow-directml#379 is an example.
    """

    code = "OPC103"

    def applies(self, op: PlacedOp) -> bool:
        placement = op.placement
        return placement.verdict == "cpu" and placement.reason.code not in ("no-kernel", "dtype")

    def message(self, group: Group, subject: Subject) -> str:  # noqa: ARG002
        return f"{group.label} is placed on the CPU: {sentence(group.reason)}"

    def fix(self, group: Group, subject: Subject) -> str | None:  # noqa: ARG002
        if group.reason.code != "colocated" or group.severity == "note":
            return None
        return "Solve the finding of the op it is tied to; this one follows."
