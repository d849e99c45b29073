"""The gate: what passes, what fails, what was not known."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from opcheck.config import FailOn
from opcheck.report import Report, gate
from opcheck.report.gate import Policy, evaluate


def with_severities(report: Report, *severities: str) -> Report:
    """The clean report with findings of these severities and nothing unknown."""
    result = report.results[0]
    finding = msgspec.structs.replace(result.findings[0], fingerprint="")
    found = tuple(
        msgspec.structs.replace(finding, severity=severity, fingerprint=f"f{i}")
        for i, severity in enumerate(severities)
    )
    return msgspec.structs.replace(
        report, results=(msgspec.structs.replace(result, findings=found),)
    )


@pytest.mark.parametrize(
    ("fail_on", "severities", "exit_code"),
    [
        ("error", (), 0),
        ("error", ("note",), 0),
        ("error", ("warning",), 0),
        ("error", ("error",), 1),
        ("warning", ("warning",), 1),
        ("warning", ("error",), 1),
        ("warning", ("note",), 0),
        ("never", ("error", "warning"), 0),
    ],
)
def test_fail_on(
    fail_on: FailOn, severities: tuple[str, ...], exit_code: int, clean_report: Report
) -> None:
    verdict = evaluate(with_severities(clean_report, *severities), Policy(fail_on))
    assert verdict.exit_code == exit_code
    assert verdict.passed is (exit_code == 0)
    assert verdict.fail_on == fail_on


@pytest.mark.parametrize("fail_on", ["never", "error", "warning"])
def test_what_is_not_known_never_passes(fail_on: str, reports: Callable[[str], Report]) -> None:
    verdict = evaluate(reports(fail_on), Policy(fail_on))
    assert not verdict.passed
    assert verdict.exit_code == 2
    assert {f.kind for f in verdict.failures} >= {"incomplete"}


def test_a_report_without_results_does_not_pass(clean_report: Report) -> None:
    verdict = evaluate(msgspec.structs.replace(clean_report, results=()), Policy("never"))
    assert (verdict.passed, verdict.exit_code) == (False, 2)


def test_a_baseline_accepts_what_it_holds(clean_report: Report) -> None:
    report = with_severities(clean_report, "error", "error")
    assert [f.fingerprint for f in evaluate(report, Policy()).failures] == ["f0", "f1"]
    assert [f.fingerprint for f in evaluate(report, Policy(), {"f0"}).failures] == ["f1"]
    assert evaluate(report, Policy(), {"f0", "f1"}).passed


def test_the_gate_changes_nothing(report: Report) -> None:
    before = msgspec.json.encode(report)
    gate.evaluate(report, Policy())
    assert msgspec.json.encode(report) == before
