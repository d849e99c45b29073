"""The gate: does a report pass? The command, the pytest plugin and CI all ask this one module."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TypeVar

import msgspec

from opcheck.config import FailOn, Ignore, Options
from opcheck.report.baseline import Baseline, gone
from opcheck.report.types import Failure, GateVerdict, Report, Result
from opcheck.rules import Finding, Severity, Suppression

_FAILING: dict[FailOn, frozenset[Severity]] = {
    "never": frozenset(),
    "error": frozenset({"error"}),
    "warning": frozenset({"error", "warning"}),
}


Judged = TypeVar("Judged", bound=Report)


def judge(report: Judged, policy: Options, baseline: Baseline | None = None) -> Judged:
    """The report with its verdict, and with the findings marked that do not count."""
    results = tuple(_marked(result, policy, baseline) for result in report.results)
    marked = msgspec.structs.replace(report, results=results)
    verdict = evaluate(marked, policy)
    notes = verdict.notes + tuple(_outdated(marked, baseline))
    return msgspec.structs.replace(marked, verdict=msgspec.structs.replace(verdict, notes=notes))


def evaluate(report: Report, policy: Options) -> GateVerdict:
    """Judge a report whose findings are marked; of ``policy`` only what concerns the gate counts.

    What could not be determined fails whatever the policy says, for the gate cannot vouch for it.
    Only ops of unknown placement can be let pass, by ``allow_unknown`` or by an ignore of the
    finding that names them, and the verdict's notes count them.
    """
    failures = tuple(f for result in report.results for f in _failures(result, policy))
    return GateVerdict(
        passed=bool(report.results) and not failures,
        failures=failures,
        fail_on=policy.fail_on,
        notes=(
            *_uncounted(report, policy),
            *_let_pass(report, policy),
            *_idle(report, policy),
        ),
    )


def counting(result: Result) -> Result:
    """A result of a judged report without the ops whose findings do not count.

    Only a finding on the op itself speaks for it (one on a loop or the model has no reason), and a
    baseline speaks for no op that is ``unknown``.
    """
    on_ops = [finding for finding in result.findings if finding.reason is not None]
    ignored = {n for f in on_ops if f.suppressed and f.suppressed.by == "ignore" for n in f.ops}
    known = {n for f in on_ops if f.suppressed and f.suppressed.by == "baseline" for n in f.ops}
    kept = tuple(
        op
        for op in result.ops
        if op.name not in ignored and (op.name not in known or op.verdict == "unknown")
    )
    return msgspec.structs.replace(result, ops=kept)


def _marked(result: Result, policy: Options, baseline: Baseline | None) -> Result:
    types = {op.name: op.op for op in result.ops}
    found = tuple(
        msgspec.structs.replace(
            finding, suppressed=_suppression(finding, result.target, types, policy, baseline)
        )
        for finding in result.findings
    )
    return msgspec.structs.replace(result, findings=found)


def _suppression(
    finding: Finding,
    target: str,
    types: dict[str, str],
    policy: Options,
    baseline: Baseline | None,
) -> Suppression | None:
    for ignore in policy.ignore:
        if _matches(ignore, finding, target, types):
            return Suppression("ignore", ignore.reason)
    if baseline is not None and finding.fingerprint in baseline:
        return Suppression("baseline", "known when the baseline was written")
    return None


def _matches(ignore: Ignore, finding: Finding, target: str, types: dict[str, str]) -> bool:
    """An op pattern must match every op of the finding, so it never hides another op's.

    ``metal@1.2.0`` means ``metal@1.2.0,macos=12`` too.
    """
    ops = {types.get(name, "") for name in finding.ops} or {""}
    version = target.partition(",")[0]
    return (
        fnmatchcase(finding.code, ignore.code or "*")
        and fnmatchcase(finding.layer or "", ignore.layer or "*")
        and any(fnmatchcase(name, ignore.target or "*") for name in (target, version))
        and all(fnmatchcase(op, ignore.op or "*") for op in ops)
    )


def _failures(result: Result, policy: Options) -> Iterator[Failure]:
    unknown = 0 if policy.allow_unknown else _unknown(result, accepted=False)
    gaps = result.incomplete
    if unknown:
        gaps += (f"Where {_ops(unknown)} of the {result.step} step would run is not known.",)
    if policy.max_fallback_flops is not None and (alone := _deciding(result)):
        on = f"it depends on {_ops(alone)} of unknown cost"
        gaps += (f"What share of the {result.step} step's FLOPs leaves is not known: {on}.",)
    for gap in gaps:
        yield Failure("incomplete", result.target, result.step, gap)
    for message in _over(result, policy):
        yield Failure("limit", result.target, result.step, message)
    for finding in result.findings:
        if finding.severity in _FAILING[policy.fail_on] and finding.suppressed is None:
            yield Failure(
                "finding",
                result.target,
                result.step,
                finding.message,
                code=finding.code,
                fingerprint=finding.fingerprint,
            )


def _over(result: Result, policy: Options) -> Iterator[str]:
    """What is above a limit. Costs that are not known are not in the sums; ``_uncounted`` says so.

    A step without a cost was not analysed, which fails already, and so does one of which no share
    is known.
    """
    cost = result.summary.cost
    if cost is None:
        return
    known = cost.flops_share is not None  # then there are some
    on_cpu = (cost.flops - cost.flops_accelerator) / cost.flops if known else 0.0
    for number, limit, what in (
        (on_cpu, policy.max_fallback_flops, "of the FLOPs leave the accelerator"),
        (cost.crossings, policy.max_crossings, "copies between host and device memory"),
        (cost.crossing_bytes, policy.max_host_bytes, "bytes are copied between the two"),
    ):
        if limit is not None and number > limit:
            where = f"{result.step} on {result.target}"
            yield f"{where}: {number:.6g} {what}, the limit is {limit:.6g}."


def _deciding(result: Result) -> int:
    """How many ops of unknown FLOPs leave, where no op's are known: the share is theirs alone."""
    cost = result.summary.cost
    if cost is None or cost.flops_share is not None:
        return 0
    return sum(op.verdict != "accelerator" and op.cost.flops is None for op in result.ops)


def _uncounted(report: Report, policy: Options) -> Iterator[str]:
    copies_limited = policy.max_crossings is not None or policy.max_host_bytes is not None
    for result in report.results:
        cost = result.summary.cost
        where = f"{result.step} on {result.target}"
        if cost is None:
            continue
        if policy.max_fallback_flops is not None and cost.unknown_ops:
            yield f"{where}: the share of FLOPs lacks {_ops(cost.unknown_ops)} of unknown cost."
        if copies_limited and cost.unknown_crossings:
            yield f"{where}: the bytes lack {cost.unknown_crossings} copies of unknown size."
        if cost.unknown_loops and (copies_limited or policy.max_fallback_flops is not None):
            yield f"{where}: {_ops(cost.unknown_loops)} in loops of unknown length count once."


def _let_pass(report: Report, policy: Options) -> Iterator[str]:
    for result in report.results:
        count, by = _unknown(result, accepted=True), "an ignore"
        if policy.allow_unknown:
            count, by = count + _unknown(result, accepted=False), "allow-unknown"
        if count:
            where = f"{result.step} on {result.target}"
            yield f"{where}: where {_ops(count)} would run is not known; {by} lets that pass."


def _unknown(result: Result, *, accepted: bool) -> int:
    """How many ops are of unknown placement: those that ignored findings name, or the others.

    A baseline accepts what was found, not what was never known.
    """
    ignored = (f for f in result.findings if f.suppressed and f.suppressed.by == "ignore")
    named = {op for finding in ignored for op in finding.ops}
    return sum(op.verdict == "unknown" and (op.name in named) is accepted for op in result.ops)


def _idle(report: Report, policy: Options) -> Iterator[str]:
    """An ignore that matches nothing is a leftover, or a mistake in its pattern."""
    for ignore in policy.ignore:
        if not any(
            _matches(ignore, finding, result.target, {op.name: op.op for op in result.ops})
            for result in report.results
            for finding in result.findings
        ):
            yield idle_note(ignore)


def idle_note(ignore: Ignore) -> str:
    return f"The ignore of {ignore.label} matches no finding."


def _outdated(report: Report, baseline: Baseline | None) -> Iterator[str]:
    """What the baseline still excuses and the model no longer has."""
    number = 0 if baseline is None else gone(baseline, report)
    if number:
        what = "1 finding" if number == 1 else f"{number} findings"
        yield f"Gone since the baseline was written: {what}. --write-baseline brings it up to date."


def _ops(count: int) -> str:
    return "1 op" if count == 1 else f"{count} ops"
