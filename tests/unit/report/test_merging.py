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


MACOS_13 = "metal@1.2.0,macos=13,arch=arm64,tensorflow=2.18.1"
MACOS_12 = MACOS_13.replace("13", "12")
BESIDE_2_17 = MACOS_13.replace("2.18", "2.17")


@pytest.mark.parametrize(
    ("kernels", "merged"),
    [
        ((MACOS_13, MACOS_13), ["metal@1.2.0"]),
        ((MACOS_12, MACOS_13), ["metal@1.2.0,macos=12", "metal@1.2.0,macos=13"]),
        (
            (MACOS_13, BESIDE_2_17),
            ["metal@1.2.0,tensorflow=2.18.1", "metal@1.2.0,tensorflow=2.17.1"],
        ),
    ],
)
def test_one_name_for_other_kernels_is_told_apart(
    kernels: tuple[str, str], merged: list[str], report: Report
) -> None:
    reports = [
        msgspec.structs.replace(
            report, results=(msgspec.structs.replace(report.results[0], kernels=name),)
        )
        for name in kernels
    ]
    found = merge(reports)
    assert [result.target for result in found.results] == merged
    done = [line for machine in found.machines for line in machine.results]
    assert done == [f"inference on {name}: predicted" for name in merged * (2 // len(merged))]
    assert [result.target for result in merge([found, *reports]).results] == merged


def test_what_stands_in_on_one_machine_is_said(report: Report) -> None:
    mac = on_a_mac(report)
    near = msgspec.structs.replace(report.results[0], match="nearest", match_reason="No 9.9.")
    merged = merge([mac, msgspec.structs.replace(report, results=(near,))])
    (result,) = merged.results
    assert (result.evidence, result.match, result.match_reason) == (
        "observed",
        "nearest",
        "No 9.9.",
    )


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
