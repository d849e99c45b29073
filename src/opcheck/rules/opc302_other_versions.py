"""OPC302."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from packaging.version import Version

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, Subject
from opcheck.rules.versions import Mismatch, mismatches

if TYPE_CHECKING:
    from opcheck.targets import Target


class OtherVersions(Rule):
    """The graph was traced with versions that the target does not run beside.

    ## What it does
    Compares the TensorFlow and the Keras that traced the graph with those the target's plugin is
    made for.

    ## Why it matters
    Keras builds other ops in other versions (DirectML 0.4.0 means TensorFlow 2.10 with Keras 2;
    Keras 3 uses other optimizers, and other ops for attention and random numbers). The verdicts are
    right for the graph that was traced, which may not be the graph that will run.

    ## What to do
    Run opcheck in an environment with the TensorFlow that the target runs beside: the extras
    `opcheck[metal]` and `opcheck[directml]` install it. There is none for tensorflow-directml, a
    TensorFlow 1.15: its graph is made by a TensorFlow 2, and an op that 1.15 lacks is `unknown`.

    ## Source
    The plugins' own requirements; tensorflow-directml-plugin#329, 331, 358 and tensorflow#92686 for
    pairs that do not work.
    """

    code = "OPC302"

    def check(self, subject: Subject) -> Iterator[Finding]:
        for mismatch in mismatches(subject.environment, subject.target):
            yield Finding(
                code=self.code,
                severity="warning",
                message=mismatch.message,
                layer=None,
                ops=(),
                reason=None,
                fix=_fix(mismatch, subject.target),
                fingerprint=fingerprint(self.code, subject.target.plugin, mismatch.package),
            )


def _fix(mismatch: Mismatch, target: Target) -> str:
    if Version(target.tensorflow).major < 2:  # its Python is too old for opcheck
        return (
            "opcheck does not run beside TensorFlow 1. This graph is a newer TensorFlow's: an op "
            f"that TensorFlow {target.tensorflow} lacks has the verdict unknown."
        )
    return f"Run opcheck where {mismatch.package} {mismatch.supported} is installed."
