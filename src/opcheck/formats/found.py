"""The findings of a report, each once: a finding of both steps on a target is one to act on, and
what is the same in many layers is one to read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opcheck.formats.numbers import count, times
from opcheck.report import Report
from opcheck.rules import WORST_FIRST, Finding
from opcheck.worker.protocol import Step


@dataclass(frozen=True)
class Found:
    """``finding`` is the step's where it is worst, and of those the one with the most ops."""

    target: str
    steps: tuple[Step, ...]
    finding: Finding


@dataclass(frozen=True)
class Kind:
    """Findings of several layers that say the same.

    ``message`` is that of all, with the number of their ops together. ``layers`` are in the order
    of the report, without a ``None`` for findings that concern no layer.
    """

    target: str
    steps: tuple[Step, ...]
    finding: Finding
    message: str
    layers: tuple[str, ...]
    members: int


def kinds(findings: Iterable[Found]) -> list[Kind]:
    """One entry for what is the same in many layers, in the order of the first of each."""
    alike: dict[object, list[Found]] = {}
    for each in findings:
        f = each.finding
        same = (each.target, f.code, f.severity, f.reason, f.fix, f.suppressed)
        alike.setdefault(same if f.reason and f.layer else (each.target, f.fingerprint), []).append(
            each
        )
    return [_kind(members) for members in alike.values()]


def in_all(kinds: Sequence[Kind]) -> str:
    """``3 findings``, or how many there are of how many kinds."""
    members = sum(kind.members for kind in kinds)
    kind = "" if members == len(kinds) else f" of {count(len(kinds), 'kind')}"
    return f"{count(members, 'finding')}{kind}"


def _kind(members: Sequence[Found]) -> Kind:
    first = members[0]
    message = first.finding.message
    if len(members) > 1:
        total = len({op for each in members for op in each.finding.ops})
        message = _LABEL.sub(f" {times(str(total))}", message, count=1)
    steps = {step: None for each in members for step in each.steps}
    layers = {each.finding.layer: None for each in members if each.finding.layer is not None}
    return Kind(first.target, tuple(steps), first.finding, message, tuple(layers), len(members))


_LABEL = re.compile(rf"( {times('')}\d+)?(?= (runs|is placed|fails|could) )")
"""Where a rule's sentence counts its ops: ``Einsum x6 runs on the CPU``."""


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
