"""OPC110."""

from __future__ import annotations

from opcheck.rules.base import Group, OpRule, rewrite_advice, sentence
from opcheck.rules.types import PlacedOp, Subject


class Fails(OpRule):
    """The step would raise on this target.

    ## What it does
    Reports ops that cannot run at all: no kernel on the accelerator nor on the CPU, an update of a
    variable that lives on the accelerator, which has no kernel for it (TensorFlow then refuses to
    place the whole step), a documented run-time limit of the plugin (DirectML: ranks of Pad and
    Reverse, poolings, strides and dilations over channels), or, with `--no-soft-placement`, an op
    without a kernel that the model puts on the accelerator by name.

    ## Why it matters
    The model stops with an error at its first step.

    ## What to do
    LSTM and GRU layers on DirectML: use `keras.layers.RNN(keras.layers.LSTMCell(units))`, or
    arguments that do not select the fused kernel; `opcheck fix` does it. Otherwise replace the op.

    ## Source
    tensorflow-directml-plugin#220, 318, 327, 361 ("All kernels registered for op CudnnRNN"); the
    limits' sources stand beside each in `opcheck/placement/limits.json`.
    """

    code = "OPC110"

    def applies(self, op: PlacedOp) -> bool:
        return op.placement.verdict == "fails" and op.placement.reason.code != "no-xla"

    def message(self, group: Group, subject: Subject) -> str:
        return f"{group.label} fails on {subject.target.label}: {sentence(group.reason)}"

    def fix(self, group: Group, subject: Subject) -> str | None:
        if group.reason.code == "no-soft-placement":
            return "Leave soft placement on, or take the op out of the tf.device scope."
        return rewrite_advice(group, subject)
