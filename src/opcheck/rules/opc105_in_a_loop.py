"""OPC105."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, PlacedOp, Subject


class InALoop(Rule):
    """A loop goes to the CPU and back at every turn.

    ## What it does
    Reports loops (a recurrent layer off the fused path, `tf.while_loop`, `tf.map_fn`) of which some
    ops that matter run on the CPU and others on the accelerator.

    ## Why it matters
    What such an op costs, and each copy of its inputs and outputs, is paid at every turn: once for
    every time step of a sequence. Few ops suffice to make the accelerator slower than the CPU.

    ## What to do
    Solve the findings of the ops that are named, or take the layer's fused kernel (OPC140). Where
    neither is possible, the whole layer may be faster under `with tf.device("CPU:0")`.

    ## Source
    tensorflow#62397 and #56782: recurrent networks 10 to 30 times slower with tensorflow-metal than
    without.
    """

    code = "OPC105"

    def check(self, subject: Subject) -> Iterator[Finding]:
        loops: defaultdict[str, list[PlacedOp]] = defaultdict(list)
        for op in subject.ops:
            if op.node.loops:
                loops[op.node.loops[-1]].append(op)
        for ops in loops.values():
            off = [
                op
                for op in ops
                if op.placement.verdict in ("cpu", "host-pinned")
                and op.severity in ("error", "warning")
            ]
            if not off or all(op.placement.verdict != "accelerator" for op in ops):
                continue
            layer = next((op.node.layer_path for op in off if op.node.layer_path), None)
            types = sorted({op.node.op_type for op in off})
            turns = off[0].cost.runs
            often = f"{turns} times a step" if turns else "an unknown number of times a step"
            yield Finding(
                code=self.code,
                severity="warning",
                message=f"This loop runs {often}, and at every turn {', '.join(types)} on the CPU.",
                layer=layer,
                ops=tuple(op.node.id for op in off),
                reason=None,
                fix="Solve the findings of those ops, or run the whole layer with "
                'tf.device("CPU:0").',
                fingerprint=fingerprint(
                    self.code, subject.target.plugin, subject.stable(layer), *types
                ),
            )
