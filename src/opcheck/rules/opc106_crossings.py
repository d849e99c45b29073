"""OPC106."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, Subject

MANY = 200
"""Copies per step. At ten microseconds each, for the wait alone, two milliseconds."""


class Crossings(Rule):
    """The step goes back and forth between host and device all the time.

    ## What it does
    Reports a step that copies tensors between host and device memory 200 times or more, with the
    layers that take part most.

    ## Why it matters
    Each copy waits for the device to finish what it is at. Many small ones make a step slow though
    no single op is to blame, and no profile of the GPU shows them.

    ## What to do
    Look at the layers that are named: often a shape that is computed in the model (`tf.shape`,
    integer arithmetic), which a static shape makes a constant. Give the Input its sizes, and the
    batch size where it is fixed.

    ## Source
    Counted from the placements (`cost.crossings` in the JSON report); tensorflow#56782 shows what
    it does.
    """

    code = "OPC106"

    def check(self, subject: Subject) -> Iterator[Finding]:
        if subject.cost is None or subject.cost.crossings < MANY:
            return
        by_layer: Counter[str] = Counter()
        for op in subject.ops:
            by_layer[op.node.layer_path or "outside any layer"] += op.cost.crossings
        worst = ", ".join(layer for layer, times in by_layer.most_common(3) if times)
        yield Finding(
            code=self.code,
            severity="note",
            message=f"The {subject.step} step copies {subject.cost.crossings} tensors between host "
            f"and {subject.target.device_type}, most around {worst}.",
            layer=None,
            ops=(),
            reason=None,
            fix=None,
            fingerprint=fingerprint(self.code, subject.target.plugin, subject.step),
        )
