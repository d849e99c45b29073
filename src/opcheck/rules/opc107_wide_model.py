"""OPC107."""

from __future__ import annotations

from collections.abc import Iterator

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, PlacedOp, Subject

_LARGE_SHARE = 0.25
"""Of the forward pass's ops: from here on it is the model, not an op in it."""


_ADVICE = {
    "float64": "Build the model in float32 and give it the weights (set_weights), as `opcheck fix` "
    "does.",
    "int64": "Feed int32, and build the model for it.",
}


class WideModel(Rule):
    """The model computes in 64 bits.

    ## What it does
    Reports a model of whose forward pass a quarter or more works on float64 (or int64) tensors that
    the accelerator has no kernels for.

    ## Why it matters
    Neither Metal nor DirectML has float64 arithmetic: the whole model runs on the CPU, one op after
    the other, with copies between.

    ## What to do
    Build it in float32: `keras.backend.set_floatx("float32")`, `dtype="float32"` for layers and
    inputs. `opcheck fix` does so with a model of plain Keras, and keeps its weights; numbers then
    have 7 digits. For int64, feed int32.

    ## Source
    DirectML#309 (no float64 mathematics); the Metal Shading Language has no double;
    tensorflow#50218 is an example.
    """

    code = "OPC107"

    def check(self, subject: Subject) -> Iterator[Finding]:
        forward = [op for op in subject.ops if op.node.role == "forward"]
        for dtype in _ADVICE:
            off = [op for op in forward if op.placement.verdict == "cpu" and _works_on(op, dtype)]
            if len(off) < 2 or len(off) < _LARGE_SHARE * len(forward):
                continue
            yield Finding(
                code=self.code,
                severity="error" if dtype == "float64" else "warning",
                message=f"The model computes in {dtype}: {len(off)} of the {len(forward)} ops of "
                f"its forward pass, which {subject.target.label} has no kernels for.",
                layer=None,
                ops=tuple(op.node.id for op in off),
                reason=None,
                fix=_ADVICE[dtype],
                fingerprint=fingerprint(self.code, subject.target.plugin, dtype),
            )


def _works_on(op: PlacedOp, dtype: str) -> bool:
    return any(tensor.dtype == dtype for tensor in (*op.node.inputs, *op.node.outputs))
