"""Joining the reports of several machines."""

from __future__ import annotations

import msgspec
import pytest

from opcheck.errors import UsageError
from opcheck.formats import FORMATS, Style
from opcheck.report import Report
from opcheck.report.merging import merge


def on_a_mac(report: Report) -> Report:
    """The first result as the Mac itself observed it: its Einsum ran on the GPU after all."""
    result = report.results[0]
    ops = tuple(
        msgspec.structs.replace(op, evidence="observed", verdict="accelerator", severity=None)
        if op.op == "Einsum"
        else msgspec.structs.replace(op, evidence="observed")
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
    assert {(d.predicted, d.traced) for d in first.disagreements if d.op == "Einsum"} == {
        ("cpu", "accelerator")
    }
    assert {d.evidence for d in first.disagreements} == {"predicted"}
    assert len(first.disagreements) == 4
    assert {m.environment.system for m in merged.machines} == {"Darwin", "Linux"}


def test_merging_again_forgets_no_machine(report: Report) -> None:
    merged = merge([merge([report, on_a_mac(report)]), report])
    assert [m.environment.system for m in merged.machines] == ["Linux", "Darwin", "Linux"]
    assert "inference on metal@1.2.0: observed" in merged.machines[1].results


@pytest.mark.parametrize("format_", ["text", "markdown", "html"])
def test_a_reader_sees_which_machine_gave_what(format_: str, report: Report) -> None:
    (result,) = on_a_mac(report).results
    ops = tuple(msgspec.structs.replace(op, evidence="emulated") for op in report.results[0].ops)
    emulated = msgspec.structs.replace(report.results[0], ops=ops, evidence="emulated")
    linux = msgspec.structs.replace(report, results=(emulated,))
    merged = merge([linux, msgspec.structs.replace(on_a_mac(report), results=(result,))])
    text = FORMATS[format_](merged, Style()).replace("\u2060", "").replace("\\", "")
    text = " ".join(text.split())
    assert "Linux x86_64 · no accelerator: inference on metal@1.2.0: emulated" in text
    assert "Darwin x86_64 · no accelerator: inference on metal@1.2.0: observed" in text
    assert "Einsum \u00d74: emulated cpu, observed accelerator" in text


def test_models_made_by_code_are_not_known_to_be_one(report: Report) -> None:
    made = msgspec.structs.replace(
        report, model=msgspec.structs.replace(report.model, sha256="", path="pkg:build")
    )
    with pytest.raises(UsageError, match="Nothing tells that pkg:build is the same model"):
        merge([made, made])


def test_reports_of_different_models_are_refused(report: Report) -> None:
    model = msgspec.structs.replace(report.model, sha256="f" * 64)
    with pytest.raises(UsageError, match="not of one model"):
        merge([report, msgspec.structs.replace(report, model=model)])
