"""The gate: does a report pass? The command, the pytest plugin and CI all ask this one function."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from opcheck.config import FailOn
from opcheck.report.types import Failure, GateVerdict, Report, Result
from opcheck.rules import Severity

_FAILING: dict[FailOn, frozenset[Severity]] = {
    "never": frozenset(),
    "error": frozenset({"error"}),
    "warning": frozenset({"error", "warning"}),
}


class Policy(msgspec.Struct, frozen=True):
    """What a report must meet. ``fail_on`` is the mildest severity that fails it."""

    fail_on: FailOn = "error"


def evaluate(
    report: Report, policy: Policy, baseline: Collection[str] | None = None
) -> GateVerdict:
    """Judge a report.

    ``baseline`` holds the fingerprints of findings that are known and accepted. What could not be
    determined fails whatever the policy says: the gate cannot vouch for it.
    """
    failures = tuple(_failures(report.results, policy, baseline or ()))
    passed = bool(report.results) and not failures
    return GateVerdict(passed=passed, failures=failures, fail_on=policy.fail_on)


def _failures(
    results: Sequence[Result], policy: Policy, baseline: Collection[str]
) -> Iterator[Failure]:
    for result in results:
        for gap in result.incomplete:
            yield Failure("incomplete", result.target, result.step, gap)
        for finding in result.findings:
            if finding.severity in _FAILING[policy.fail_on] and finding.fingerprint not in baseline:
                yield Failure(
                    "finding",
                    result.target,
                    result.step,
                    finding.message,
                    code=finding.code,
                    fingerprint=finding.fingerprint,
                )
