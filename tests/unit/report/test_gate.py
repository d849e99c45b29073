"""The gate: what passes, what fails, what was not known."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from opcheck.config import FailOn, Ignore, Options
from opcheck.placement import Reason
from opcheck.report import Report, gate
from opcheck.report.baseline import Baseline, Entry
from opcheck.report.gate import evaluate, judge
from opcheck.rules.types import Suppression


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
    verdict = evaluate(with_severities(clean_report, *severities), Options(fail_on=fail_on))
    assert verdict.exit_code == exit_code
    assert verdict.passed is (exit_code == 0)
    assert verdict.fail_on == fail_on


@pytest.mark.parametrize("fail_on", ["never", "error", "warning"])
def test_what_is_not_known_never_passes(fail_on: str, reports: Callable[[str], Report]) -> None:
    verdict = evaluate(reports(fail_on), Options(fail_on=fail_on))
    assert not verdict.passed
    assert verdict.exit_code == 2
    assert {f.kind for f in verdict.failures} >= {"incomplete"}


@pytest.mark.parametrize(
    ("by", "has_reason", "verdict", "counts"),
    [
        ("ignore", True, "cpu", False),
        ("baseline", True, "cpu", False),
        ("ignore", False, "cpu", True),  # of the loop that the op is in, for one
        ("baseline", False, "cpu", True),
        ("ignore", True, "unknown", False),
        ("baseline", True, "unknown", True),  # nobody vouches for what was never known
    ],
)
def test_which_findings_speak_for_an_op(
    by: str, has_reason: bool, verdict: str, counts: bool, clean_report: Report
) -> None:
    (result,) = clean_report.results
    op = msgspec.structs.replace(result.ops[0], verdict=verdict)
    finding = msgspec.structs.replace(
        result.findings[0],
        ops=(op.name,),
        reason=Reason("no-kernel", "no kernel") if has_reason else None,
        suppressed=Suppression(by, "known"),
    )
    judged = msgspec.structs.replace(result, ops=(op,), findings=(finding,))
    assert gate.counting(judged).ops == ((op,) if counts else ())


def test_a_report_without_results_does_not_pass(clean_report: Report) -> None:
    verdict = evaluate(msgspec.structs.replace(clean_report, results=()), Options(fail_on="never"))
    assert (verdict.passed, verdict.exit_code) == (False, 2)


def baseline(*fingerprints: str, **changes: object) -> Baseline:
    """Of the training step of the clean report, but for ``changes``."""
    values = {"target": "metal@1.2.0", "model": "models/mnist.keras", "steps": ("training",)}
    where = values | changes
    return Baseline(
        1,
        tuple(
            Entry(layer="", code="OPC101", message="", fingerprint=each, **where)
            for each in fingerprints
        ),
    )


def test_a_baseline_accepts_what_it_holds(clean_report: Report) -> None:
    report = with_severities(clean_report, "error", "error")
    assert [f.fingerprint for f in judge(report, Options()).verdict.failures] == ["f0", "f1"]
    judged = judge(report, Options(), baseline("f0"))
    assert [f.fingerprint for f in judged.verdict.failures] == ["f1"]
    assert judge(report, Options(), baseline("f0", "f1")).verdict.passed


def test_a_baseline_that_holds_more_than_is_found_says_so(clean_report: Report) -> None:
    report = with_severities(clean_report, "error")
    judged = judge(report, Options(), baseline("f0", "gone", "gone too"))
    assert judged.verdict.passed
    assert [note for note in judged.verdict.notes if "2 findings" in note]


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"target": "directml@0.4.0"},
        {"steps": ("inference",)},
        {"steps": ("inference", "training")},
        {"model": "models/other.keras"},
        {"kernels": "metal@1.2.0,macos=12"},
        {"model": "", "steps": ()},  # written before a baseline said so
    ],
)
def test_what_was_not_checked_is_not_gone(
    elsewhere: dict[str, object], clean_report: Report
) -> None:
    report = with_severities(clean_report, "error")
    assert judge(report, Options(), baseline("gone", **elsewhere)).verdict.notes == ()


def test_a_system_is_known_by_its_kernels_whatever_it_is_called(clean_report: Report) -> None:
    kernels = "metal@1.2.0,macos=12"
    results = (msgspec.structs.replace(clean_report.results[0], kernels=kernels),)
    report = msgspec.structs.replace(clean_report, results=results)
    there = baseline("gone", target="metal@1.2.0,macos=12", kernels=kernels)
    assert len(judge(report, Options(), there).verdict.notes) == 1
    assert judge(report, Options(), baseline("gone")).verdict.notes == ()


def test_nothing_is_gone_from_a_step_of_which_something_is_unknown(clean_report: Report) -> None:
    (result,) = clean_report.results
    unknown = msgspec.structs.replace(result.summary, unknown=1)
    for changes in ({"incomplete": ("It stopped.",)}, {"summary": unknown}):
        partial = msgspec.structs.replace(result, **changes)
        report = msgspec.structs.replace(clean_report, results=(partial,))
        assert judge(report, Options(), baseline("gone")).verdict.notes == ()


@pytest.mark.parametrize(
    ("patterns", "hidden"),
    [
        ({"op": "Einsum"}, True),
        ({"op": "Ein*", "layer": "block/*"}, True),
        ({"layer": "block/attention", "code": "OPC101", "target": "metal@*"}, True),
        ({"op": "einsum"}, False),
        ({"op": "Einsum", "layer": "decoder/*"}, False),
        ({"op": "Einsum", "target": "directml*"}, False),
        ({"op": "Einsum", "code": "OPC102"}, False),
    ],
)
def test_an_ignore_hides_what_matches_all_its_patterns(
    patterns: dict[str, str], hidden: bool, report: Report
) -> None:
    ignore = Ignore(reason="known, see #12", **patterns)
    judged = judge(report, Options(ignore=(ignore,)))
    metal = judged.results[0]
    (einsum,) = [f for f in metal.findings if f.message.startswith("Einsum")]
    assert (einsum.suppressed is not None) is hidden
    if hidden:
        assert (einsum.suppressed.by, einsum.suppressed.reason) == ("ignore", "known, see #12")
        others = [f for f in metal.findings if f is not einsum]
        assert all(f.suppressed is None for f in others)
        assert einsum.fingerprint not in {
            f.fingerprint for f in judged.verdict.failures if f.target == metal.target
        }


def test_an_ignore_that_matches_nothing_is_said(report: Report) -> None:
    ignore = Ignore(reason="old", layer="no/such/*")
    (note,) = judge(report, Options(ignore=(ignore,))).verdict.notes
    assert note == "The ignore of layer=no/such/* matches no finding."


def with_costs(report: Report, flops: int | None, **changes: object) -> Report:
    """The clean report with another cost of its step, and ``flops`` of the op that leaves."""
    (result,) = report.results
    ops = tuple(
        msgspec.structs.replace(op, cost=msgspec.structs.replace(op.cost, flops=flops))
        if op.leaves
        else op
        for op in result.ops
    )
    cost = msgspec.structs.replace(result.summary.cost, **changes)
    summary = msgspec.structs.replace(result.summary, cost=cost)
    result = msgspec.structs.replace(result, ops=ops, summary=summary)
    return msgspec.structs.replace(report, results=(result,))


LOOPS = "training on metal@1.2.0: 5 ops in loops of unknown length count once."


@pytest.mark.parametrize(
    ("limits", "changes", "code", "notes"),
    [
        ({}, {"unknown_loops": 5}, 0, []),
        ({"max_crossings": 10}, {"unknown_loops": 5}, 0, [LOOPS]),
        ({"max_host_bytes": 10**9}, {"unknown_loops": 5}, 0, [LOOPS]),
        ({"max_fallback_flops": 1.0}, {"unknown_loops": 5}, 0, [LOOPS]),
        ({}, {"flops_share": None, "flops": None}, 0, []),
        ({"max_fallback_flops": 0.0}, {"flops_share": None, "flops": 0}, 0, []),
        ({"max_fallback_flops": 0.0}, {"flops_share": None, "flops": None}, 2, []),
    ],
)
def test_a_limit_says_what_is_not_counted_and_passes_nothing_unknown(
    limits: dict[str, float],
    changes: dict[str, object],
    code: int,
    notes: list[str],
    clean_report: Report,
) -> None:
    report = with_costs(clean_report, **({"flops": 0} | changes))
    verdict = evaluate(report, Options(**limits))
    assert (verdict.exit_code, list(verdict.notes)) == (code, notes)
    if code:
        (failure,) = verdict.failures
        assert failure.message == (
            "What share of the training step's FLOPs leaves is not known: "
            "it depends on 1 op of unknown cost."
        )


@pytest.mark.parametrize(("limit", "passed"), [(0.3, True), (0.29, False)])
def test_exactly_the_limit_passes(limit: float, passed: bool, clean_report: Report) -> None:
    """1 - 0.7 is a little more than 0.3."""
    (result,) = clean_report.results
    cost = msgspec.structs.replace(
        result.summary.cost, flops=10, flops_accelerator=7, flops_share=0.7
    )
    summary = msgspec.structs.replace(result.summary, cost=cost)
    result = msgspec.structs.replace(result, summary=summary)
    report = msgspec.structs.replace(clean_report, results=(result,))
    assert evaluate(report, Options(max_fallback_flops=limit)).passed is passed


def only_metal_inference(report: Report) -> Report:
    """It has unknown ops and no other gap."""
    return msgspec.structs.replace(report, results=report.results[:1])


def test_unknown_ops_pass_only_when_asked_and_are_counted(report: Report) -> None:
    report = only_metal_inference(report)
    options = Options(fail_on="never")
    assert judge(report, options).verdict.exit_code == 2
    allowed = judge(report, msgspec.structs.replace(options, allow_unknown=True)).verdict
    assert allowed.exit_code == 0
    assert allowed.notes == (
        "inference on metal@1.2.0: where 2 ops would run is not known; "
        "allow-unknown lets that pass.",
    )


def test_an_ignore_of_unknown_ops_lets_only_those_pass(report: Report) -> None:
    report = only_metal_inference(report)
    one = Ignore(reason="ours, runs on the GPU", layer="block/gate")
    judged = judge(report, Options(fail_on="never", ignore=(one,))).verdict
    assert judged.exit_code == 2  # the other layer's op is as unknown as before
    assert [f.message for f in judged.failures] == [
        "Where 1 op of the inference step would run is not known."
    ]
    both = judge(report, Options(fail_on="never", ignore=(one, Ignore(reason="x", code="OPC201"))))
    assert both.verdict.exit_code == 0
    assert "2 ops would run is not known; an ignore lets" in both.verdict.notes[0]


def test_nothing_lets_a_step_pass_that_was_not_analysed(report: Report) -> None:
    failed = msgspec.structs.replace(report, results=report.results[3:])
    everything = Ignore(reason="x", code="*")
    options = Options(fail_on="never", allow_unknown=True, ignore=(everything,))
    assert judge(failed, options).verdict.exit_code == 2


def test_the_gate_changes_nothing(report: Report) -> None:
    before = msgspec.json.encode(report)
    gate.evaluate(report, Options())
    gate.judge(report, Options(), baseline("f0"))
    assert msgspec.json.encode(report) == before
