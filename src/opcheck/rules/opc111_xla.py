"""OPC111."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from packaging.version import Version

from opcheck.rules.base import Group, OpRule, rewrite_advice, sentence
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, PlacedOp, Subject

if TYPE_CHECKING:
    from opcheck.targets import Target


class Xla(OpRule):
    """XLA is asked for where the platform has no compiler.

    ## What it does
    Reports calls that are compiled with XLA (`jit_compile=True`), also where Keras asks for it on
    its own, as for grouped convolutions; and a model file that stores `jit_compile=True` for its
    training step.

    ## Why it matters
    The plugins bring no XLA compiler. TensorFlow stops with "Could not find compiler for platform
    METAL" (or DML), at the first step. Where only the training step asks for it, Keras 2.12 and
    later, and on a Mac Keras 3, warn and train without XLA: that is a note.

    ## What to do
    Compile the model with `jit_compile=False`. A grouped convolution: one convolution a group, or
    `groups=1`. `opcheck fix` does both.

    ## Source
    NVlabs/sionna#78 and elixir-nx/nx#490 (METAL); keras/src/backend/tensorflow/nn.py, `conv`
    ("groups" goes through a `jit_compile=True` function), and tensorflow/compiler/jit/xla_ops.cc;
    keras/utils/tf_utils.py `can_jit_compile`, keras/src/trainers/trainer.py `model_supports_jit`.
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
        asked = subject.jit_compile or _stored(subject.source.training)
        if subject.step == "training" and asked:
            goes_on = _keras_goes_without(subject.target)
            label, platform = subject.target.label, subject.target.platform
            asks = "The file" if _stored(subject.source.training) else "The model"
            yield Finding(
                code=self.code,
                severity="note" if goes_on else "error",
                message=f"{asks} asks for jit_compile=True: "
                + (
                    f"Keras warns and trains without XLA on {label}."
                    if goes_on
                    else f"model.fit fails on {label}, whose platform ({platform}) has no XLA "
                    "compiler."
                ),
                layer=None,
                ops=(),
                reason=None,
                fix="Compile the model with jit_compile=False; `opcheck fix` writes such a copy.",
                fingerprint=fingerprint(self.code, subject.target.plugin, "stored"),
            )


def _keras_goes_without(target: Target) -> bool:
    """Whether the Keras beside the target switches XLA off itself, in `compile`."""
    if Version(target.tensorflow) < Version("2.12"):
        return False
    return target.keras_major == 2 or target.platform == "METAL"


def _stored(training: str | None) -> bool:
    config = json.loads(training) if training else None
    return isinstance(config, dict) and config.get("jit_compile") is True
