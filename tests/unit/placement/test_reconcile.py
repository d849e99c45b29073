"""The placer's log against the graph we analyse."""

from __future__ import annotations

import msgspec

from opcheck.placement import Reason, predict, reconcile
from opcheck.worker.protocol import DeviceLogEntry

from .registry import graph, kernel, op, target

ON = target(kernel("AddV2", "GPU", T="float32"), kernel("AddV2", "CPU", T="float32 int64"))
MODEL = graph([op("a", "AddV2", inputs="float32"), op("loop/body/b", "AddV2", inputs="float32")])


def log(*lines: str) -> tuple[DeviceLogEntry, ...]:
    return tuple(DeviceLogEntry(*line.split()) for line in lines)


def test_counters_and_lowered_nodes_are_seen_through() -> None:
    result = reconcile(
        MODEL,
        predict(MODEL, ON),
        log(
            "a AddV2 CPU:0",
            "loop/body/_12/b AddV2 CPU:0",
            "loop/merge/_3 Merge CPU:0",
            "loop/loop_body_control/_5 Identity CPU:0",
            "Func/loop/body/input/_7 Identity CPU:0",
            "loop/LoopExecuted/_9 NoOp CPU:0",
        ),
    )
    assert result.matched == 2
    assert dict(result.added) == {
        "a call that was inlined": 2,
        "control flow that was lowered": 2,
    }
    assert result.only_in_graph == result.only_in_trace == ()


def test_what_only_one_side_has_is_named() -> None:
    result = reconcile(MODEL, predict(MODEL, ON), log("a AddV2 CPU:0", "c Identity CPU:0"))
    assert result.only_in_graph == ("loop/body/b",)
    assert result.only_in_trace == ("c",)


def test_here_the_devices_say_nothing_about_the_target() -> None:
    placements = predict(MODEL, ON)
    result = reconcile(MODEL, placements, log("a AddV2 CPU:0", "loop/body/_1/b AddV2 CPU:0"))
    assert result.placements == placements
    assert result.disagreements == ()


def test_on_the_target_the_log_is_the_truth() -> None:
    result = reconcile(
        MODEL,
        predict(MODEL, ON),
        log("a AddV2 GPU:0", "loop/body/_1/b AddV2 CPU:0"),
        device_type="GPU",
    )
    assert [(p.verdict, p.evidence) for p in result.placements] == [
        ("accelerator", "observed"),
        ("cpu", "observed"),
    ]
    (wrong,) = result.disagreements
    assert (wrong.predicted.op_id, wrong.predicted.verdict) == ("loop/body/b", "accelerator")
    assert (wrong.traced.verdict, wrong.traced.reason.code) == ("cpu", "observed")


def test_what_ran_did_not_fail() -> None:
    """A kernel that the target's own TensorFlow lacks, and the one that ran here has."""
    nowhere = Reason("no-kernel-anywhere", "it has no kernel")
    failing = tuple(
        msgspec.structs.replace(p, verdict="fails", reason=nowhere) if p.op_id == "a" else p
        for p in predict(MODEL, ON)
    )
    stopped = reconcile(MODEL, failing, log("a AddV2 GPU:0"), device_type="GPU")
    ran = reconcile(MODEL, failing, log("a AddV2 GPU:0"), device_type="GPU", executed=True)
    assert [result.placements[0].verdict for result in (stopped, ran)] == ["fails", "accelerator"]
    assert [len(result.disagreements) for result in (stopped, ran)] == [0, 1]


def test_an_op_the_log_does_not_show_stays_predicted() -> None:
    result = reconcile(MODEL, predict(MODEL, ON), log("a AddV2 GPU:0"), device_type="GPU")
    assert [p.evidence for p in result.placements] == ["observed", "predicted"]


def test_bodies_that_share_names_are_told_apart_by_their_number() -> None:
    """A body that is placed on its own is logged by its own names, whoever calls it."""
    shared = [
        op("f/a", "AddV2", inputs="float32", placed_as="a"),
        op("g/a", "AddV2", inputs="int64", types={"T": "int64"}, placed_as="a"),
    ]
    model = graph(shared)
    predicted = predict(model, ON)
    assert [p.verdict for p in predicted] == ["accelerator", "cpu"]
    seen = log("a AddV2 CPU:0", "a AddV2 GPU:0")
    result = reconcile(model, predicted, seen, device_type="GPU", evidence="emulated")
    assert {p.evidence for p in result.placements} == {"emulated"}
    assert result.disagreements == ()
    # Not as many of each: then nobody knows which.
    seen = log("a AddV2 CPU:0", "a AddV2 GPU:0", "a AddV2 GPU:0")
    result = reconcile(model, predicted, seen, device_type="GPU", evidence="emulated")
    assert {p.evidence for p in result.placements} == {"predicted"}
