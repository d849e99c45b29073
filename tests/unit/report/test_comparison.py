"""What ``opcheck diff`` says is better and worse."""

from __future__ import annotations

import msgspec
import pytest

from opcheck.errors import CannotCheckError, UsageError
from opcheck.report import Op, Report
from opcheck.report.comparison import compare


def changed(report: Report, index: int, **ops: str) -> Report:
    """The report with other verdicts for the ops of some types in one result."""
    result = report.results[index]
    new = tuple(
        msgspec.structs.replace(op, verdict=ops[op.op]) if op.op in ops else op for op in result.ops
    )
    results = list(report.results)
    results[index] = msgspec.structs.replace(result, ops=new)
    return msgspec.structs.replace(report, results=tuple(results))


def test_a_report_is_no_worse_than_itself(report: Report) -> None:
    comparison = compare(report, report)
    assert not comparison.worse
    assert [step.changes for step in comparison.steps] == [()] * 3
    assert comparison.unmatched == comparison.incomplete == ()  # the fourth: on neither side


def test_a_step_that_one_side_could_not_analyse_is_not_better(report: Report) -> None:
    results = (report.results[0], msgspec.structs.replace(report.results[1], ops=()))
    comparison = compare(report, msgspec.structs.replace(report, results=results))
    assert comparison.unmatched == ()  # it is said once
    assert [step.step for step in comparison.steps] == ["inference"]
    assert comparison.incomplete == (
        "training on metal@1.2.0: it was not analysed.",
        "directml@0.4.0: there is no result.",
    )


def test_a_gap_that_the_old_side_does_not_have(report: Report) -> None:
    gap = "The layer td/custom was not analysed."
    results = (msgspec.structs.replace(report.results[0], incomplete=(gap,)), *report.results[1:])
    other = msgspec.structs.replace(report, results=results)
    assert compare(report, other).incomplete == (f"inference on metal@1.2.0: {gap}",)
    assert compare(other, other).incomplete == compare(other, report).incomplete == ()


def test_no_step_on_both_sides(report: Report) -> None:
    inference, training = (only_step(report, step) for step in ("inference", "training"))
    with pytest.raises(CannotCheckError, match=r"No step .* training on metal@1.2.0: there is no"):
        compare(training, inference)


def only_step(report: Report, step: str) -> Report:
    results = tuple(result for result in report.results if result.step == step)
    return msgspec.structs.replace(report, results=results)


def test_a_finding_that_weighs_more_is_worse(report: Report) -> None:
    """The op is where it was and does more: its finding is the same, and an error now."""
    (result, *rest) = report.results
    finding = msgspec.structs.replace(result.findings[0], fingerprint="f")

    def with_severities(*severities: str) -> Report:
        found = tuple(msgspec.structs.replace(finding, severity=s) for s in severities)
        one = msgspec.structs.replace(result, findings=found)
        return msgspec.structs.replace(report, results=(one, *rest))

    mild, grave = with_severities("note", "warning"), with_severities("error", "note")
    worse, better = compare(mild, grave), compare(grave, mild)
    assert [f.severity for f in worse.steps[0].introduced] == ["error"]
    assert worse.steps[0].mended == better.steps[0].introduced == ()
    assert [f.severity for f in better.steps[0].mended] == ["error"]
    assert (worse.worse, better.worse) == (True, False)


def test_better_and_worse_are_each_others_mirror(report: Report) -> None:
    better = changed(report, 0, Einsum="accelerator")
    up, down = compare(report, better), compare(better, report)
    (mended,), (broken,) = up.steps[0].changes, down.steps[0].changes
    assert (mended.direction, mended.op, mended.layer) == ("better", "Einsum", "block/attention")
    assert (mended.before, mended.after) == ({"cpu": 4}, {"accelerator": 4})
    assert (broken.direction, broken.before, broken.after) == ("worse", mended.after, mended.before)
    assert mended.reason == broken.reason == "tensorflow-metal registers no Einsum"
    assert down.worse
    assert not up.worse


def renamed(op: Op, number: int) -> Op:
    return msgspec.structs.replace(op, name=f"{op.name}__{number}")


def test_op_names_and_order_do_not_count(report: Report) -> None:
    result = report.results[0]
    ops = tuple(renamed(op, i) for i, op in enumerate(reversed(result.ops)))
    other = msgspec.structs.replace(
        report, results=(msgspec.structs.replace(result, ops=ops), *report.results[1:])
    )
    assert compare(report, other).steps[0].changes == ()


def test_failing_is_worse_than_the_cpu(report: Report) -> None:
    comparison = compare(report, changed(report, 0, Einsum="fails"))
    assert comparison.steps[0].changes[0].direction == "worse"


def test_two_targets_of_one_report(report: Report) -> None:
    comparison = compare(report, report, ("metal@1.2.0", "directml@0.4.0"))
    assert {(step.old, step.new) for step in comparison.steps} == {
        ("metal@1.2.0", "directml@0.4.0")
    }
    gone = {(c.op, c.direction) for c in comparison.steps[0].changes}
    assert gone == {("Pack", "better"), ("Mean", "better"), ("CudnnRNNV3", "worse")}
    assert [f.code for f in comparison.steps[0].introduced if f.severity == "error"] == ["OPC110"]


def only(report: Report, target: str, label: str | None = None) -> Report:
    results = tuple(
        msgspec.structs.replace(result, target=label or target)
        for result in report.results
        if result.target == target
    )
    return msgspec.structs.replace(report, results=results)


def test_the_one_target_that_differs_is_compared_with_the_other(report: Report) -> None:
    old = only(report, "metal@1.2.0", "metal@1.1.0")
    comparison = compare(old, only(report, "metal@1.2.0"))
    assert [(step.old, step.new) for step in comparison.steps] == [
        ("metal@1.1.0", "metal@1.2.0")
    ] * 2


def test_what_only_one_side_has_is_named(report: Report) -> None:
    one = only(report, "metal@1.2.0")
    assert compare(report, one).incomplete == ("directml@0.4.0: there is no result.",)
    assert compare(one, report).unmatched == ("new: directml@0.4.0",)
    empty = tuple(msgspec.structs.replace(result, ops=()) for result in report.results[2:])
    nothing = msgspec.structs.replace(report, results=(*report.results[:2], *empty))
    assert compare(nothing, one).unmatched == ("old: directml@0.4.0",)


def on_systems(report: Report, **systems: str) -> Report:
    """The first result on each macOS, by the name of the target."""
    results = tuple(
        msgspec.structs.replace(
            report.results[0],
            target=name.replace("metal", "metal@1.2.0").replace("_", ",macos="),
            kernels=f"metal@1.2.0,macos={macos}" if macos else "",
            description=f"metal@1.2.0 (macOS {macos})",
        )
        for name, macos in systems.items()
    )
    return msgspec.structs.replace(report, results=results)


BOTH = {"metal_12": "12", "metal_13": "13"}


@pytest.mark.parametrize(
    ("old", "new", "systems", "unmatched"),
    [
        ({"metal": "12"}, {"metal": "12"}, [("metal@1.2.0",)], ()),
        (
            {"metal": "13"},
            {"metal": "12"},
            [("metal@1.2.0 (macOS 13)", "metal@1.2.0 (macOS 12)")],
            (),
        ),
        ({"metal": ""}, {"metal": "12"}, [("metal@1.2.0 (macOS )", "metal@1.2.0 (macOS 12)")], ()),
        ({"metal": "12"}, BOTH, [("metal@1.2.0,macos=12",)], ("new: metal@1.2.0,macos=13",)),
        (
            {"metal_14": "13", "metal_13": "13"},
            {"metal_13": "13", "metal_14": "13"},
            [("metal@1.2.0,macos=14",), ("metal@1.2.0,macos=13",)],
            (),
        ),
    ],
)
def test_targets_are_paired_by_their_kernels_then_by_name(
    old: dict[str, str],
    new: dict[str, str],
    systems: list[tuple[str, ...]],
    unmatched: tuple[str, ...],
    report: Report,
) -> None:
    comparison = compare(on_systems(report, **old), on_systems(report, **new))
    assert [step.systems for step in comparison.steps] == systems
    assert (comparison.unmatched, comparison.incomplete) == (unmatched, ())


def test_nothing_in_common(report: Report) -> None:
    with pytest.raises(UsageError, match="no target in common"):
        compare(report, msgspec.structs.replace(report, results=()))


def test_another_tensorflow_here_is_neither_better_nor_worse(report: Report) -> None:
    """Metal's results have no OPC302; DirectML's inference has two warnings of it."""
    result = report.results[2]
    other = tuple(f for f in result.findings if f.code != "OPC302")
    without = msgspec.structs.replace(
        report,
        results=(*report.results[:2], msgspec.structs.replace(result, findings=other)),
    )
    comparison = compare(without, report)
    introduced = [f.code for step in comparison.steps for f in step.introduced]
    assert introduced == ["OPC302", "OPC302"]
    assert not comparison.worse
