"""OPC111."""

from __future__ import annotations

import json
from collections.abc import Iterator

from opcheck.rules.base import Group, OpRule, rewrite_advice, sentence
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, PlacedOp, Subject


class Xla(OpRule):
    """XLA is asked for where the platform has no compiler.

    ## What it does
    Reports calls that are compiled with XLA (`jit_compile=True`), also where Keras asks for it on
    its own, as for grouped convolutions; and a model file that stores `jit_compile=True` for its
    training step.

    ## Why it matters
    The plugins bring no XLA compiler. TensorFlow stops with "Could not find compiler for platform
    METAL" (or DML), at the first step.

    ## What to do
    Compile the model with `jit_compile=False`. A grouped convolution: one convolution a group, or
    `groups=1`. `opcheck fix` does both.

    ## Source
    NVlabs/sionna#78 and elixir-nx/nx#490 (METAL); keras/src/backend/tensorflow/nn.py, `conv`
    ("groups" goes through a `jit_compile=True` function), and tensorflow/compiler/jit/xla_ops.cc.
    """

    code = "OPC111"

    def applies(self, op: PlacedOp) -> bool:
        return op.placement.verdict == "fails" and op.placement.reason.code == "no-xla"

    def message(self, group: Group, subject: Subject) -> str:
        return f"{group.label} fails on {subject.target.label}: {sentence(group.reason)}"

    def fix(self, group: Group, subject: Subject) -> str | None:
        general = "Compile with jit_compile=False, the layer's own function too."
        return rewrite_advice(group, subject) or general

    def check(self, subject: Subject) -> Iterator[Finding]:
        yield from super().check(subject)
        if subject.step == "training" and _stored(subject.source.training):
            yield Finding(
                code=self.code,
                severity="error",
                message=f"The file asks for jit_compile=True: model.fit fails on "
                f"{subject.target.label}, whose platform ({subject.target.platform}) has no XLA "
                "compiler.",
                layer=None,
                ops=(),
                reason=None,
                fix="Compile the model with jit_compile=False; `opcheck fix` writes such a copy.",
                fingerprint=fingerprint(self.code, subject.target.plugin, "stored"),
            )


def _stored(training: str | None) -> bool:
    config = json.loads(training) if training else None
    return isinstance(config, dict) and config.get("jit_compile") is True
