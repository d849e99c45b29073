"""opcheck trace: a whole folder or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcheck.cli import run
from opcheck.errors import CannotCheckError
from opcheck.report import Report


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, report: Report) -> list[dict[str, object]]:
    """The check's arguments; it leaves a log."""
    calls: list[dict[str, object]] = []

    def checked(model: str, *, log_folder: Path, **more: object) -> Report:
        calls.append({"model": model, **more})
        (log_folder / "metal@1.2.0").mkdir()
        return report

    monkeypatch.setattr("opcheck.pipeline.check", checked)
    return calls


def test_a_folder_with_a_report(
    check: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "trace"
    code = run(["trace", "m.h5", "-t", "metal", "--input", "x=2,3", "-o", str(folder)])
    assert sorted(path.name for path in folder.iterdir()) == ["metal@1.2.0", "report.json"]
    assert list(tmp_path.iterdir()) == [folder]
    assert f"tensorboard --logdir {folder}" in capsys.readouterr().out
    assert code == 2  # a step of this report did not run
    (call,) = check
    options = call["options"]
    assert (options.evidence, options.targets, options.inputs) == ("traced", ("metal",), ("x=2,3",))


def test_what_is_there_is_kept(check: list[dict[str, object]], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    assert run(["trace", "m.h5", "-o", str(tmp_path)]) == 3
    assert run(["trace", "m.h5", "-o", str(tmp_path / "mine")]) == 3
    assert run(["trace", "m.h5", "-o", str(tmp_path / "no" / "such")]) == 3
    assert (tmp_path / "mine").read_text() == "precious"
    assert check == []


@pytest.mark.parametrize(
    "error", [CannotCheckError("no"), KeyboardInterrupt(), OSError(28, "full")]
)
def test_nothing_is_left_of_a_failure(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is none of the folder's."""

    def checked(*_: object, log_folder: Path, **__: object) -> Report:
        (log_folder / "half").mkdir()
        raise error

    monkeypatch.setattr("opcheck.pipeline.check", checked)
    assert run(["trace", "m.h5", "-o", str(tmp_path / "trace")]) == 2
    assert list(tmp_path.iterdir()) == []
