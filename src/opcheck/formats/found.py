"""The findings of a report, each once: a finding of both steps on a target is one to act on."""

from __future__ import annotations

from dataclasses import dataclass

from opcheck.report import Report
from opcheck.rules import WORST_FIRST, Finding
from opcheck.worker.protocol import Step


@dataclass(frozen=True)
class Found:
    """``finding`` is the step's where it is worst, and of those the one with the most ops."""

    target: str
    steps: tuple[Step, ...]
    finding: Finding


def found(report: Report) -> list[Found]:
    """The worst first, otherwise in the report's order; suppressed ones are among them."""
    by_identity: dict[tuple[str, str], Found] = {}
    for result in report.results:
        for finding in result.findings:
            key = (result.target, finding.fingerprint)
            known = by_identity.get(key)
            steps = known.steps if known else ()
            if result.step not in steps:
                steps += (result.step,)
            worst = min(known.finding, finding, key=_badness) if known else finding
            by_identity[key] = Found(result.target, steps, worst)
    return sorted(by_identity.values(), key=lambda f: WORST_FIRST.index(f.finding.severity))


def _badness(finding: Finding) -> tuple[int, int]:
    return WORST_FIRST.index(finding.severity), -len(finding.ops)
