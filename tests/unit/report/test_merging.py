"""Joining the reports of several machines."""

from __future__ import annotations

import msgspec
import pytest

from opcheck.errors import UsageError
from opcheck.report import Report
from opcheck.report.merging import merge


def on_a_mac(report: Report) -> Report:
    """The first result as the Mac itself observed it: its Einsum ran on the GPU after all."""
    result = report.results[0]
    ops = tuple(
        msgspec.structs.replace(
            op, evidence="observed", verdict="accelerator" if op.op == "Einsum" else op.verdict
        )
        for op in result.ops
    )
    observed = msgspec.structs.replace(result, ops=ops, evidence="observed")
    environment = msgspec.structs.replace(report.environment, system="Darwin")
    return msgspec.structs.replace(report, results=(observed,), environment=environment)


@pytest.mark.parametrize("mac_first", [True, False])
def test_what_was_observed_counts_and_the_difference_is_said(
    report: Report, mac_first: bool
) -> None:
    mac = on_a_mac(report)
    merged = merge([mac, report] if mac_first else [report, mac])
    assert len(merged.results) == len(report.results)
    (first,) = [r for r in merged.results if (r.target, r.step) == ("metal@1.2.0", "inference")]
    assert first.evidence == "observed"
    assert {(d.predicted, d.traced) for d in first.disagreements} == {("cpu", "accelerator")}
    assert len(first.disagreements) == 4
    assert {m.environment.system for m in merged.machines} == {"Darwin", "Linux"}


def test_merging_again_forgets_no_machine(report: Report) -> None:
    merged = merge([merge([report, on_a_mac(report)]), report])
    assert [m.environment.system for m in merged.machines] == ["Linux", "Darwin", "Linux"]
    assert "inference on metal@1.2.0: observed" in merged.machines[1].results


def test_reports_of_different_models_are_refused(report: Report) -> None:
    model = msgspec.structs.replace(report.model, sha256="f" * 64)
    with pytest.raises(UsageError, match="not of one model"):
        merge([report, msgspec.structs.replace(report, model=model)])
