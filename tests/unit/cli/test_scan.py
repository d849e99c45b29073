"""``opcheck scan``: which files it takes, what it says, how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from opcheck.errors import UnreadableModelError, UsageError
from opcheck.report import Report
from opcheck.report.scan import find

Opcheck = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "a.h5",
        "notes.txt",
        "deep/b.keras",
        "deep/saved/saved_model.pb",
        "deep/saved/variables/v.h5",
        "graph.pb",
        "model.weights.h5",
        ".hidden/c.h5",
    ):
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "models"


def test_folders_are_searched(tree: Path) -> None:
    found = [str(Path(path).relative_to(tree)) for path in find([str(tree)])]
    assert found == ["a.h5", "graph.pb", "model.weights.h5", "deep/saved", "deep/b.keras"]


def test_what_is_named_is_taken_as_it_is(tree: Path) -> None:
    named = [str(tree / "notes.txt"), str(tree / "deep" / "saved"), str(tree / "none.h5")]
    assert list(find(named)) == named
    assert list(find([named[0], named[0]])) == named[:1]


def test_patterns_leave_out(tree: Path) -> None:
    found = find([str(tree)], ["*.weights.h5", "*/deep/*", "graph.pb"])
    assert [Path(path).name for path in found] == ["a.h5"]


def test_a_folder_that_links_to_itself_ends(tree: Path) -> None:
    (tree / "deep" / "again").symlink_to(tree)
    assert len(find([str(tree)])) == 5


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may look into models/deep, root neither."""
    stat, scandir = Path.stat, os.scandir

    def guarded(what: Callable, path: object, **more: object) -> object:
        if str(path).startswith(str(Path("models", "deep"))):
            raise PermissionError(13, "Permission denied", str(path))
        return what(path, **more)

    monkeypatch.setattr(Path, "stat", lambda path, **more: guarded(stat, path, **more))
    monkeypatch.setattr(os, "scandir", lambda path: guarded(scandir, path))


@pytest.mark.usefixtures("judged", "tree", "forbidden")
def test_a_folder_that_cannot_be_read_is_no_pass(opcheck: Opcheck) -> None:
    patterns = [f"--exclude={pattern}" for pattern in ("*.pb", "*.weights.h5")]
    code, out, _ = opcheck("scan", "models", *patterns)
    assert code == 2
    assert f"{Path('models', 'deep')} cannot be searched: Permission denied." in out
    assert "2 models: 1 passed, 1 INCOMPLETE." in out
    assert opcheck("scan", "models", *patterns, "--exclude=deep")[0] == 0


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch, clean_report: Report, report: Report) -> None:
    """a.h5 passes, b.keras is incomplete, everything else is unreadable."""

    def check(path: str, *_: object) -> Report:
        if path.endswith("a.h5"):
            return clean_report
        if path.endswith("b.keras"):
            return report
        raise UnreadableModelError(f"{path} holds only weights.")

    monkeypatch.setattr("opcheck.pipeline.check", check)


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(
    ("paths", "code", "said"),
    [
        (["models/a.h5"], 0, "1 model: 1 passed."),
        (["models/a.h5", "models/deep/b.keras"], 2, "2 models: 1 passed, 1 INCOMPLETE."),
        (["models/model.weights.h5"], 2, "models/model.weights.h5 holds only weights."),
        (["models/deep/saved/variables"], 2, "1 model: 1 INCOMPLETE."),
        (["models/.hidden", "--exclude", "*"], 2, "No model was found."),
    ],
)
@pytest.mark.usefixtures("tree")
def test_the_worst_counts(paths: list[str], code: int, said: str, opcheck: Opcheck) -> None:
    ran = opcheck("scan", *paths)
    assert ran[0] == code
    assert said in ran[1]


@pytest.mark.usefixtures("judged", "tree")
def test_it_says_why_a_model_fails(opcheck: Opcheck) -> None:
    _, out, _ = opcheck("scan", "models/a.h5", "models/deep/b.keras")
    assert "\nmodels/a.h5\n" not in out
    why = out.partition("\nmodels/deep/b.keras\n")[2].splitlines()
    assert why[0] == "  unknown Where 2 ops of the inference step would run is not known."
    assert any(
        line.startswith("  OPC101  metal@1.2.0: block/attention: Einsum \u00d74 runs")
        for line in why
    )
    assert any(line.startswith("  and ") for line in why)


@pytest.mark.usefixtures("judged", "tree")
def test_json_holds_every_report(opcheck: Opcheck) -> None:
    code, out, _ = opcheck("scan", "models", "-f", "json")
    models = json.loads(out)["models"]
    assert code == 2
    by_name = {Path(model["path"]).name: model for model in models}
    assert by_name["a.h5"]["report"]["verdict"]["passed"] is True
    assert "holds only weights" in by_name["model.weights.h5"]["error"]
    assert by_name["model.weights.h5"]["report"] is None


@pytest.mark.usefixtures("tree")
def test_wrong_usage_ends_it(opcheck: Opcheck, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: object) -> Report:
        raise UsageError("The baseline is broken.")

    monkeypatch.setattr("opcheck.pipeline.check", check)
    assert opcheck("scan", "models")[0] == 3
