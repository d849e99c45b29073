"""Baselines: what they hold, how they are read, and that they survive edits of the model."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from opcheck.config import Options
from opcheck.errors import UsageError
from opcheck.report import Report, baseline, gate


def test_a_baseline_holds_every_error_and_warning_and_no_note(report: Report) -> None:
    accepted = baseline.of(report)
    weighty = {f.fingerprint for r in report.results for f in r.findings if f.severity != "note"}
    assert weighty
    assert {entry.fingerprint for entry in accepted.findings} == weighty
    assert {entry.model for entry in accepted.findings} == {report.model.path}
    told = msgspec.structs.replace(report.results[0], kernels="metal@1.2.0,macos=12")
    on_12 = baseline.of(msgspec.structs.replace(report, results=(told,)))
    assert {entry.kernels for entry in on_12.findings} == {"metal@1.2.0,macos=12"}
    for entry in accepted.findings:
        assert entry.steps == tuple(
            result.step
            for result in report.results
            if result.target == entry.target
            and entry.fingerprint in {f.fingerprint for f in result.findings}
        )


def test_a_baseline_of_before_is_read(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    old = {"target": "", "layer": "", "code": "", "message": "", "fingerprint": "f0"}
    path.write_text(json.dumps({"opcheck_baseline": 1, "findings": [old]}), encoding="utf-8")
    assert "f0" in baseline.read(path)


def test_what_was_written_is_what_is_read(tmp_path: Path, report: Report) -> None:
    path = tmp_path / "baseline.json"
    accepted = baseline.of(report)
    path.write_text(baseline.encode(accepted), encoding="utf-8")
    assert baseline.read(path) == accepted


def test_written_again_under_its_own_rule_nothing_is_lost(report: Report) -> None:
    accepted = baseline.of(report)
    judged = gate.judge(report, Options(), accepted)
    assert baseline.of(judged) == accepted
    kinds = {failure.kind for failure in judged.verdict.failures}
    assert kinds == {"incomplete"}  # no finding is left, and no gap was accepted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a baseline"),
        ("{", "is not a baseline"),
        ("[]", "is not a baseline"),
        ('{"opcheck_baseline": 1}', "is not a baseline"),
        ('{"opcheck_baseline": 2, "findings": []}', "of version 2"),
        ("\\xff", "is not a baseline"),
    ],
)
def test_a_broken_baseline_is_a_usage_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        baseline.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_baseline_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--write-baseline"):
        baseline.read(tmp_path / "none.json")


def test_the_text_has_no_time_and_no_version(report: Report) -> None:
    newer = msgspec.structs.replace(
        report, tool=msgspec.structs.replace(report.tool, version="99.0")
    )
    assert baseline.encode(baseline.of(newer)) == baseline.encode(baseline.of(report))
