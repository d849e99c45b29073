"""``opcheck diff``: which two sides it compares, and how it ends."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from opcheck.report import Report

Opcheck = Callable[..., tuple[int, str, str]]
CANONICAL = Path(__file__).parents[2] / "snapshots" / "canonical.json"


@pytest.fixture(autouse=True)
def saved(tmp_path: Path) -> None:
    for name in ("old.json", "new.json"):
        shutil.copy(CANONICAL, tmp_path / name)


def test_two_reports(opcheck: Opcheck) -> None:
    code, out, err = opcheck("diff", "old.json", "new.json", "--fail-on-worse")
    assert (code, err) == (0, "")
    assert out.count("no difference") == 3
    assert out.rstrip().endswith("No worse than before.")


def test_a_report_with_itself(opcheck: Opcheck) -> None:
    assert opcheck("diff", "old.json", "old.json")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("report.json", "-t", "metal", "-t", "directml"),
        ("report.json", "-t", "metal@1.2.0", "-t", "directml@0.4.0"),
        ("report.json", "report.json", "--from", "metal@1.2.0", "--to", "directml@0.4.0"),
    ],
)
def test_two_targets_of_one_report(
    words: tuple[str, ...], opcheck: Opcheck, tmp_path: Path
) -> None:
    shutil.copy(CANONICAL, tmp_path / "report.json")
    code, out, _ = opcheck("diff", *words, "--step", "inference")
    assert code == 0
    assert "inference on metal@1.2.0 -> directml@0.4.0" in out
    code, out, _ = opcheck("diff", *words, "--step", "inference", "--fail-on-worse")
    assert code == 1
    assert "WORSE in " in out
    code, out, _ = opcheck("diff", *words, "--fail-on-worse")  # without DirectML's training step
    assert code == 2
    assert "  training on directml@0.4.0: ValueError: no gradient for block/gate\n" in out
    assert "WORSE in " in out
    assert "INCOMPLETE: " in out


def test_what_the_new_side_lacks_is_no_pass(
    opcheck: Opcheck, report: Report, tmp_path: Path
) -> None:
    gone = msgspec.structs.replace(report.results[1], ops=(), incomplete=("It ran for hours.",))
    results = (report.results[0], gone, *report.results[2:])
    new = msgspec.structs.replace(report, results=results)
    (tmp_path / "new.json").write_bytes(msgspec.json.encode(new))
    code, out, _ = opcheck("diff", "old.json", "new.json")
    assert code == 2
    assert "  training on metal@1.2.0: It ran for hours.\n" in out
    assert "No worse" not in out
    assert opcheck("diff", "old.json", "new.json", "--step", "inference")[0] == 0
    code, _, err = opcheck("diff", "old.json", "new.json", "--step", "training")
    assert code == 2
    assert "No step was analysed on both sides." in err
    code, out, _ = opcheck("diff", "new.json", "old.json")
    assert code == 0
    assert "new: training on metal@1.2.0" in out


def test_the_order_is_the_one_that_is_named(opcheck: Opcheck) -> None:
    _, out, _ = opcheck("diff", "old.json", "-t", "directml", "-t", "metal")
    assert "inference on directml@0.4.0 -> metal@1.2.0" in out


def test_a_model_is_checked_on_both_targets_at_once(opcheck: Opcheck, checked: list[tuple]) -> None:
    words = ("-t", "metal@1.2.0", "-t", "directml@0.4.0", "--step", "inference", "--batch-size=4")
    code, out, _ = opcheck("diff", "m.h5", *words)
    assert code == 0
    assert "inference on metal@1.2.0 -> directml@0.4.0" in out
    ((spec, options),) = checked
    assert (spec, options.targets) == ("m.h5", ("metal@1.2.0", "directml@0.4.0"))
    assert (options.step, options.batch_size) == ("inference", 4)


@pytest.mark.parametrize("name", ["metal@1.2", "own.json,macos=13"])
def test_the_only_target_of_a_check_may_be_named_as_one_likes(
    name: str, opcheck: Opcheck, clean_report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opcheck.pipeline.check", lambda *_, **__: clean_report)
    assert opcheck("diff", "a.h5", "b.h5", "-t", name)[0] == 0


def test_settings_are_read_unless_they_are_not(
    opcheck: Opcheck, checked: list[tuple], tmp_path: Path
) -> None:
    (tmp_path / "opcheck.toml").write_text("custom-objects = ['theirs']\n", "utf-8")
    for words in ((), ("--no-config",)):
        opcheck("diff", "a.h5", "old.json", *words)
    assert [options.custom_objects for _, options in checked] == [("theirs",), ()]


def test_two_models_on_one_target(opcheck: Opcheck, checked: list[tuple]) -> None:
    code, out, _ = opcheck("diff", "a.h5", "b.h5", "-t", "metal")
    assert code == 0
    assert "training on metal@1.2.0\n" in out
    assert [(spec, options.targets) for spec, options in checked] == [
        ("a.h5", ("metal",)),
        ("b.h5", ("metal",)),
    ]


def test_a_model_against_a_report(opcheck: Opcheck, checked: list[tuple]) -> None:
    assert opcheck("diff", "old.json", "b.h5")[0] == 0
    assert [spec for spec, _ in checked] == ["b.h5"]


def test_two_systems_of_one_version(
    opcheck: Opcheck, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check tells them apart; one name is then no whole label."""
    names = {"metal@1.2.0": "metal@1.2.0,macos=13", "directml@0.4.0": "metal@1.2.0,macos=12"}
    results = tuple(msgspec.structs.replace(r, target=names[r.target]) for r in report.results)
    told = msgspec.structs.replace(report, results=results)
    monkeypatch.setattr("opcheck.pipeline.check", lambda *_, **__: told)
    _, out, _ = opcheck("diff", "m.h5", "-t", "metal@1.2.0", "-t", "metal@1.2.0,macos=12")
    assert "inference on metal@1.2.0,macos=13 -> metal@1.2.0,macos=12" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("old.json",), "There is one side only to compare. Give OLD and NEW, or two targets"),
        (("m.h5", "-t", "metal"), "There is one side only to compare."),
        (("old.json", "--from", "metal"), "There is one side only to compare."),
        (("old.json", "-t", "a", "-t", "b", "-t", "c"), "-t is given 3 times."),
        (("old.json", "new.json", "-t", "a", "--to", "b"), "--from and --to do not go with -t."),
    ],
)
def test_wrong_usage(words: tuple[str, ...], message: str, opcheck: Opcheck) -> None:
    code, out, err = opcheck("diff", *words)
    assert (code, out) == (3, "")
    assert message in err


def test_a_target_that_a_report_does_not_have(opcheck: Opcheck) -> None:
    for words in (("-t", "plaidml", "-t", "metal"), ("new.json", "-t", "plaidml")):
        code, out, err = opcheck("diff", "old.json", *words)
        assert (code, out) == (2, "")
        assert "old.json has no target plaidml. It has metal@1.2.0, directml@0.4.0." in err


def test_a_report_that_cannot_be_read(opcheck: Opcheck) -> None:
    code, _, err = opcheck("diff", "old.json", "none.json")
    assert code == 2
    assert "none.json cannot be read" in err
