"""OPC150."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

import msgspec

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, PlacedOp, Subject


class Problem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wrong results in ``versions`` (all where empty) where a layer has every one of ``ops`` on the
    accelerator, of ``dtype`` or with more filters than ``filters_above`` where that is said."""

    plugin: str
    versions: str
    ops: tuple[str, ...]
    says: str
    source: str
    dtype: str = ""
    filters_above: int = 0

    def concerns(self, op: PlacedOp) -> bool:
        node = op.node
        if node.op_type not in self.ops or op.placement.verdict != "accelerator":
            return False
        if self.dtype and self.dtype not in {tensor.dtype for tensor in node.outputs}:
            return False
        if not self.filters_above:
            return True
        shape = node.inputs[-1].shape
        return bool(shape) and (shape[-1] or 0) > self.filters_above  # type: ignore[index]


@cache
def problems() -> tuple[Problem, ...]:
    data = resources.files("opcheck.rules").joinpath("known_problems.json").read_bytes()
    return msgspec.json.decode(data, type=tuple[Problem, ...])


class KnownProblem(Rule):
    """Wrong results were reported for this op on this version of the plugin.

    ## What it does
    Matches the ops that stay on the accelerator against published reports of wrong numbers, by op,
    dtype, sizes and the plugin's version. Each finding quotes its source.

    ## Why it matters
    An op that runs where it should may still be wrong there; no log says so, and a model that does
    not learn is looked for everywhere but there.

    ## What to do
    Compare the layer's outputs with the CPU's (`with tf.device("CPU:0")`) on your machine. Reports
    are of single machines and systems, so this is a note: none of them was tried here.

    ## Source
    `opcheck/rules/known_problems.json`, with the source of each.
    """

    code = "OPC150"

    def check(self, subject: Subject) -> Iterator[Finding]:
        target = subject.target
        for problem in problems():
            if not target.is_among(problem.plugin, problem.versions):
                continue
            found = _layers(problem, subject.ops)
            if not found:
                continue
            yield Finding(
                code=self.code,
                severity="note",
                message=f"On {target.label}, {problem.says} ({problem.source}). Concerned: "
                f"{len(found)} op{'s' if len(found) > 1 else ''}.",
                layer=found[0].node.layer_path,
                ops=tuple(op.node.id for op in found),
                reason=None,
                fix=None,
                fingerprint=fingerprint(self.code, target.plugin, problem.source, *problem.ops),
            )


def _layers(problem: Problem, ops: Sequence[PlacedOp]) -> list[PlacedOp]:
    """The ops of every layer's forward pass that has the whole pattern."""
    by_layer: defaultdict[str | None, list[PlacedOp]] = defaultdict(list)
    for op in ops:
        if op.node.role == "forward" and problem.concerns(op):
            by_layer[op.node.layer_path].append(op)
    return [
        op
        for found in by_layer.values()
        if {each.node.op_type for each in found} == set(problem.ops)
        for op in found
    ]
