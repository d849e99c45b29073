"""OPC142."""

from __future__ import annotations

from collections.abc import Iterator

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, Subject

_FUSED = {
    "Adadelta": ("ResourceApplyAdadelta",),
    "Adagrad": ("ResourceApplyAdagradV2",),
    "Adam": ("ResourceApplyAdam",),
    "RMSprop": ("ResourceApplyRMSProp",),
    "SGD": ("ResourceApplyKerasMomentum", "ResourceApplyGradientDescent"),
}
"""What the older optimizers of that name use; the others have no fused kernel."""

_ASSIGN = frozenset({"AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp"})
_FEW = 4
"""Assignments: a model of one layer gains nothing."""


class UnfusedOptimizer(Rule):
    """The optimizer does not use the plugin's fused update.

    ## What it does
    Reports a training step whose optimizer updates each variable with a handful of small ops, where
    the plugin has a kernel that does it in one (`ResourceApplyAdam` and its like; for SGD, Adagrad,
    Adadelta, RMSprop and Adam).

    ## Why it matters
    The optimizers of Keras 2.11 and later, and of Keras 3, are written so. On tensorflow-metal
    training was measured up to three times slower than with the older ones.

    ## What to do
    Keras 2.11 to 2.15: `tf.keras.optimizers.legacy.Adam`. Keras 3 has none: use `tf_keras` with
    `TF_USE_LEGACY_KERAS=1` and its `optimizers.legacy`. It is a note: it costs time, and nothing
    leaves the accelerator for it.

    ## Source
    tensorflow#59438; tensorflow#61092 for the warning that Keras prints itself.
    """

    code = "OPC142"

    def check(self, subject: Subject) -> Iterator[Finding]:
        target = subject.target
        fused = [
            op
            for op in _FUSED.get(subject.optimizer or "Adam", ())
            if target.registry.kernels(op, target.device_type)
        ]
        if subject.step != "training" or not fused:
            return
        updates = [op for op in subject.ops if op.node.role == "optimizer"]
        if any(op.node.op_type.startswith("ResourceApply") for op in updates):
            return
        assigned = sum(op.node.op_type in _ASSIGN for op in updates)
        if assigned < _FEW:
            return
        yield Finding(
            code=self.code,
            severity="note",
            message=f"The optimizer takes {len(updates)} ops for {assigned} assignments; "
            f"{target.label} has fused kernels ({', '.join(fused)}) that it does not use.",
            layer=None,
            ops=(),
            reason=None,
            fix="Keras 2: tf.keras.optimizers.legacy. Keras 3: tf_keras with "
            "TF_USE_LEGACY_KERAS=1 and its optimizers.legacy.",
            fingerprint=fingerprint(self.code, target.plugin),
        )
