"""OPC120."""

from __future__ import annotations

from collections.abc import Iterator

from opcheck.rules.base import Group, OpRule, sentence
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, PlacedOp, Subject

_OTHERS = frozenset({"opaque", "unknown-op"})
"""Reasons with a rule of their own: OPC201, OPC121."""


class Unknown(OpRule):
    """It could not be determined where something runs.

    ## What it does
    Reports ops whose placement is open (a dtype that the graph does not fix, a shape that may be
    beyond a limit), and parts of a step that could not be analysed, with the reason.

    ## Why it matters
    What is not known is never counted as good. A run with such a finding is incomplete: it does
    not pass, and the command exits with 2.

    ## What to do
    The reason says what is missing. For an op of a custom library, `--custom-objects` names the
    module to import; for a step that could not be traced, the error that Keras raised is quoted.

    ## Source
    opcheck's own analysis.
    """

    code = "OPC120"

    def applies(self, op: PlacedOp) -> bool:
        placement = op.placement
        return placement.verdict == "unknown" and placement.reason.code not in _OTHERS

    def message(self, group: Group, subject: Subject) -> str:  # noqa: ARG002
        return f"Where {group.label} runs could not be determined: {sentence(group.reason)}"

    def check(self, subject: Subject) -> Iterator[Finding]:
        for gap in subject.gaps:
            yield Finding(
                code=self.code,
                severity="warning",
                message=f"Not all of the {subject.step} step could be analysed. {gap}",
                layer=None,
                ops=(),
                reason=None,
                fix=None,
                fingerprint=fingerprint(self.code, subject.target.plugin, subject.step, gap),
            )
        yield from super().check(subject)
