"""OPC110."""

from __future__ import annotations

from opcheck.rules.base import Group, OpRule, sentence
from opcheck.rules.types import PlacedOp, Subject

_BY_REASON = {
    "no-xla": "Compile the model with jit_compile=False, and the layer's own function too.",
}
_BY_OP_PREFIX = {
    "CudnnRNN": (
        "Use keras.layers.RNN(keras.layers.LSTMCell(units)) (or GRUCell), which does not ask for "
        "the fused kernel."
    ),
}


class Fails(OpRule):
    """The step would raise on this target.

    ## What it does
    Reports ops that cannot run at all: no kernel on the accelerator nor on the CPU, compilation by
    XLA asked for where the platform has no compiler, or an update of a variable that lives on the
    accelerator, which has no kernel for it (TensorFlow then refuses to place the whole step).

    ## Why it matters
    Soft placement does not help: the model stops with an error at its first step.

    ## What to do
    LSTM and GRU layers on DirectML: use `keras.layers.RNN(keras.layers.LSTMCell(units))`, or
    arguments that do not select the fused kernel. "Could not find compiler for platform METAL":
    `jit_compile=False`. Otherwise replace the op.

    ## Source
    tensorflow-directml-plugin#220, 318, 327, 361 ("All kernels registered for op CudnnRNN");
    NVlabs/sionna#78 and elixir-nx/nx#490 (no XLA compiler for METAL).
    """

    code = "OPC110"

    def applies(self, op: PlacedOp) -> bool:
        return op.placement.verdict == "fails"

    def message(self, group: Group, subject: Subject) -> str:
        return f"{group.label} fails on {subject.target.label}: {sentence(group.reason)}"

    def fix(self, group: Group, subject: Subject) -> str | None:  # noqa: ARG002
        if group.reason.code in _BY_REASON:
            return _BY_REASON[group.reason.code]
        return next(
            (words for op, words in _BY_OP_PREFIX.items() if group.op_type.startswith(op)), None
        )
