"""Two results -> what got better and what got worse: of two models, two targets, two versions.

Ops have other names after every edit of a model, so they are compared by layer, op type and
dtypes, and counted by verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import product
from typing import Literal

import msgspec

from opcheck.errors import CannotCheckError, UsageError
from opcheck.placement.types import Verdict
from opcheck.report.types import Op, Report, Result, Summary
from opcheck.rules import WORST_FIRST, Finding
from opcheck.worker.protocol import Step

_BEST_FIRST: tuple[Verdict, ...] = ("accelerator", "host-pinned", "cpu", "unknown", "fails")

_ENVIRONMENT = frozenset({"OPC302"})  # of the TensorFlow here, not of the model or the target

Kind = tuple[str, str, str]  # layer, op type, dtypes


class Change(msgspec.Struct, frozen=True):
    """Ops of one kind in one layer whose verdicts differ.

    ``before`` and ``after`` are the verdicts, each with how many ops have it; one of them is empty
    where one side has no such op. ``reason`` is that of the worse side.
    """

    direction: Literal["better", "worse"]
    layer: str
    op: str
    dtypes: str
    before: dict[Verdict, int]
    after: dict[Verdict, int]
    reason: str


class StepComparison(msgspec.Struct, frozen=True):
    """One step on the old and on the new side. ``systems`` say what they are, one where it is the
    same. ``introduced`` are findings that the old side lacks or has milder, ``mended`` those that
    the new one does. ``match_reasons`` say where a side's target is not what was asked for."""

    step: Step
    old: str
    new: str
    systems: tuple[str, ...]
    old_summary: Summary
    new_summary: Summary
    changes: tuple[Change, ...]
    introduced: tuple[Finding, ...]
    mended: tuple[Finding, ...]
    match_reasons: tuple[str, ...]


class Comparison(msgspec.Struct, frozen=True):
    """What ``opcheck diff`` reports. ``incomplete`` says what the old side has and the new one does
    not tell: it may be worse. ``unmatched`` are the other results that one side lacks, or that it
    could not analyse."""

    old_model: str
    new_model: str
    steps: tuple[StepComparison, ...]
    unmatched: tuple[str, ...]
    incomplete: tuple[str, ...] = ()

    @property
    def worse(self) -> bool:
        """Something fails, leaves the accelerator or is unknown that did not before."""
        return any(
            change.direction == "worse" for step in self.steps for change in step.changes
        ) or any(weighs(finding) for step in self.steps for finding in step.introduced)


def weighs(finding: Finding) -> bool:
    """Whether it makes a side worse. Which TensorFlow traced the graph does not."""
    return finding.severity != "note" and finding.code not in _ENVIRONMENT


def compare(old: Report, new: Report, ends: tuple[str, str] | None = None) -> Comparison:
    """Compare the results that two reports have for the same step and target: one with the same
    kernels, whatever it is called, else one of the same name.

    ``ends`` are the old side's target and the new side's, to compare no others; without them a
    single target that only one side has is compared with the single one that only the other has.

    Raises:
        UsageError: they have no target in common.
        CannotCheckError: no step was analysed on both sides.
    """
    pairs = [ends] if ends is not None else _pairs(_targets(old), _targets(new))
    steps: list[StepComparison] = []
    unmatched: list[str] = []
    incomplete: list[str] = []
    for before, after in pairs:
        left, right = _by_step(old, before), _by_step(new, after)
        there = {r.step: r for r in new.results if r.target == after}
        for step, result in left.items():
            incomplete += (f"{step} on {after}: {gap}" for gap in _gaps(result, there.get(step)))
        both = [step for step in left if step in right]
        steps += (_compare(left[step], right[step]) for step in both)
        unmatched += (f"new: {step} on {after}" for step in right if step not in both)
    paired = ({a for a, _ in pairs}, {b for _, b in pairs})
    if ends is None:
        for label in (label for label in _targets(old) if label not in paired[0]):
            if _by_step(old, label):
                incomplete.append(f"{label}: there is no result.")
            else:
                unmatched.append(f"old: {label}")
        unmatched += (f"new: {label}" for label in _targets(new) if label not in paired[1])
    if not pairs:
        raise UsageError(
            "The reports have no target in common.",
            hint=f"Old: {', '.join(_targets(old))}; new: {', '.join(_targets(new))}. "
            "Name two with --from TARGET --to TARGET.",
        )
    if not steps:
        raise CannotCheckError(
            "No step was analysed on both sides.", hint=" ".join(incomplete) or None
        )
    return Comparison(
        old.model.path, new.model.path, tuple(steps), tuple(unmatched), tuple(incomplete)
    )


def _gaps(old: Result, new: Result | None) -> Sequence[str]:
    """What the new side does not tell of a step that was analysed."""
    if new is None:
        return ("there is no result.",)
    if not new.ops:
        return new.incomplete or ("it was not analysed.",)
    return [gap for gap in new.incomplete if gap not in old.incomplete]


def _targets(report: Report) -> dict[str, str]:
    """Each by its name, with what names its kernels: empty in the reports of an older opcheck."""
    return {result.target: result.kernels for result in report.results}


def _by_step(report: Report, target: str) -> dict[Step, Result]:
    """The steps that were analysed: without ops there is nothing to compare."""
    return {r.step: r for r in report.results if r.target == target and r.ops}


def _pairs(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str]]:
    """The targets that go together, in the order of the old side: those most alike first."""
    alike: tuple[Callable[[str, str], bool], ...] = (
        lambda before, after: before == after and old[before] == new[after],
        lambda before, after: old[before] == new[after] != "",
        lambda before, after: before == after,
    )
    paired: dict[str, str] = {}
    for same in alike:
        for before, after in product(old, new):
            if before not in paired and after not in paired.values() and same(before, after):
                paired[before] = after
    alone = {*old} - {*paired}, {*new} - {*paired.values()}
    if len(alone[0]) == len(alone[1]) == 1:
        paired |= zip(*alone, strict=True)
    return [(name, paired[name]) for name in old if name in paired]


def _compare(old: Result, new: Result) -> StepComparison:
    key = _key(old, new)
    return StepComparison(
        step=new.step,
        old=old.target,
        new=new.target,
        systems=_systems(old, new),
        old_summary=old.summary,
        new_summary=new.summary,
        changes=tuple(_changes(old.ops, new.ops)),
        introduced=tuple(_graver(new.findings, old.findings, key)),
        mended=tuple(_graver(old.findings, new.findings, key)),
        match_reasons=tuple(dict.fromkeys(filter(None, (old.match_reason, new.match_reason)))),
    )


def _systems(old: Result, new: Result) -> tuple[str, ...]:
    """By their names where those tell them apart."""
    if old.kernels != new.kernels:
        return tuple(dict.fromkeys((old.description, new.description)))
    return (new.target,) if new.kernels else tuple(dict.fromkeys((old.target, new.target)))


def _graver(
    findings: Sequence[Finding], others: Sequence[Finding], key: Callable[[Finding], Hashable]
) -> Iterator[Finding]:
    """Those that the other side lacks or has milder only: severity follows cost, which may grow."""
    there: dict[Hashable, int] = {}
    for finding in others:
        there[key(finding)] = min(_rank(finding), there.get(key(finding), len(WORST_FIRST)))
    yield from (f for f in findings if _rank(f) < there.get(key(f), len(WORST_FIRST)))


def _rank(finding: Finding) -> int:
    return WORST_FIRST.index(finding.severity)


def _key(old: Result, new: Result) -> Callable[[Finding], Hashable]:
    """What tells that two findings are the same. A fingerprint names the plugin too."""
    if old.target.partition("@")[0] == new.target.partition("@")[0]:
        return lambda finding: finding.fingerprint
    types = {op.name: op.op for result in (old, new) for op in result.ops}
    return lambda f: (f.code, f.layer, frozenset(types.get(name) for name in f.ops))


def _changes(old: Sequence[Op], new: Sequence[Op]) -> Iterator[Change]:
    """The worse first, otherwise in the order of the new graph."""
    before, after = _kinds(old), _kinds(new)
    found: list[Change] = []
    for kind in dict.fromkeys((*after, *before)):
        was, now = _verdicts(before.get(kind, ())), _verdicts(after.get(kind, ()))
        bad_was, bad_now = _badness(was), _badness(now)
        if bad_was == bad_now:
            continue
        worse = bad_now > bad_was
        side = after[kind] if worse else before[kind]
        found.append(
            Change(
                "worse" if worse else "better",
                *kind,
                before=was,
                after=now,
                reason=max(side, key=lambda op: _BEST_FIRST.index(op.verdict)).reason.message,
            )
        )
    yield from sorted(found, key=lambda change: change.direction == "better")


def _kinds(ops: Sequence[Op]) -> dict[Kind, list[Op]]:
    found: dict[Kind, list[Op]] = {}
    for op in ops:
        dtypes = " ".join(
            value if isinstance(value, str) else "+".join(value) for value in op.dtypes.values()
        )
        found.setdefault((op.layer or "", op.op, dtypes), []).append(op)
    return found


def _verdicts(ops: Sequence[Op]) -> dict[Verdict, int]:
    count = Counter(op.verdict for op in ops)
    return {verdict: count[verdict] for verdict in _BEST_FIRST if count[verdict]}


def _badness(verdicts: dict[Verdict, int]) -> tuple[int, ...]:
    """How many ops have each verdict that is not good, the worst verdict first."""
    return tuple(verdicts.get(verdict, 0) for verdict in reversed(_BEST_FIRST[1:]))
