"""The command line: what is read, where reports go, exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import opcheck as package
from opcheck import cli
from opcheck.config import Options
from opcheck.errors import UnreadableModelError
from opcheck.formats import FORMATS, Style
from opcheck.report import Report

Opcheck = Callable[..., tuple[int, str, str]]
REGISTRY = [("registry", action) for action in ("export", "extract", "capture")]


def test_a_model_alone_is_a_check(opcheck: Opcheck, checked: list[tuple]) -> None:
    code, out, err = opcheck("model.h5")
    assert code == 2  # the canonical report is incomplete
    assert out.startswith("opcheck 0.1.0")
    assert err == ""
    assert checked == [("model.h5", Options())]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "model.h5", "-t", "metal", "--target", "directml", "--step", "training"),
        ("-t", "metal", "-t", "directml", "--step=training", "model.h5"),
    ],
)
def test_options_reach_the_check(
    words: tuple[str, ...], opcheck: Opcheck, checked: list[tuple]
) -> None:
    opcheck(*words)
    assert checked == [("model.h5", Options(targets=("metal", "directml"), step="training"))]


def test_every_option(opcheck: Opcheck, checked: list[tuple]) -> None:
    words = "--evidence predicted --fail-on never --trust --custom-objects a.b --custom-objects c"
    opcheck("model.h5", *words.split(), "--batch-size", "8", "--timeout", "1.5")
    assert checked[0][1] == Options(
        evidence="predicted",
        fail_on="never",
        trust=True,
        custom_objects=("a.b", "c"),
        batch_size=8,
        timeout=1.5,
    )


def test_what_is_not_given_shadows_no_configuration(
    opcheck: Opcheck, checked: list[tuple], tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.opcheck]\nfail-on = 'never'\n", "utf-8")
    opcheck("model.h5")
    assert checked[0][1].fail_on == "never"


@pytest.mark.skipif(os.name == "nt", reason="the current folder cannot be removed")
@pytest.mark.parametrize(
    ("words", "code"),
    [("m.h5", 3), ("m.h5 --no-config", 2), ("merge r.json", 3), ("report r.json -o x", 3)],
)
def test_a_folder_that_is_gone(words: str, code: int, opcheck: Opcheck, tmp_path: Path) -> None:
    tmp_path.rmdir()
    ran = opcheck(*words.split())
    assert ran[0] == code
    assert "mistake" not in ran[2]


def test_merge_without_the_folders_settings(opcheck: Opcheck, tmp_path: Path) -> None:
    canonical = Path(__file__).parents[2] / "snapshots" / "canonical.json"
    (tmp_path / "opcheck.toml").write_text("fail-on = 'hardly'\n", "utf-8")
    assert opcheck("merge", str(canonical))[0] == 3
    assert opcheck("merge", str(canonical), "--no-config")[0] == 2


@pytest.mark.usefixtures("checked")
def test_a_baseline_is_written_and_then_holds(opcheck: Opcheck, tmp_path: Path) -> None:
    code, out, _ = opcheck("m.h5", "--write-baseline", "accepted.json")
    assert code == 2  # the canonical report is incomplete, whatever is accepted
    assert "In the baseline: 12 findings" in out
    entries = json.loads((tmp_path / "accepted.json").read_text("utf-8"))["findings"]
    assert {entry["target"] for entry in entries} == {"metal@1.2.0", "directml@0.4.0"}


@pytest.mark.usefixtures("checked")
def test_a_new_baseline_replaces_the_configured_one(opcheck: Opcheck, tmp_path: Path) -> None:
    (tmp_path / "opcheck.toml").write_text("baseline = 'accepted.json'\n", "utf-8")
    assert opcheck("m.h5", "--write-baseline", "accepted.json").code == 2  # there was none to read
    assert (tmp_path / "accepted.json").exists()


@pytest.mark.usefixtures("checked")
def test_formats_and_outputs_go_in_pairs(opcheck: Opcheck, tmp_path: Path, report: Report) -> None:
    code, out, _ = opcheck("m.h5", "-f", "json", "-o", "r.json", "--format", "text", "-o", "-")
    assert code == 2
    assert out == FORMATS["text"](report, Style())
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["schema_version"] == "1.0"
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "No model was given."),
        (("check",), "the following arguments are required: MODEL."),
        (("chekc", "x.h5"), "There is no command chekc. Did you mean check?"),
        (("--versoin",), "There is no option --versoin. Did you mean --version?"),
        (("x.h5", "--stpe", "both"), "--stpe both. Did you mean --step?"),
        (("registry", "export", "metal", "--leyer=all"), "Did you mean --layer?"),
        (("targets", "--json"), "--json. opcheck targets --help shows how."),
        (("x.h5", "--step", "train"), "Did you mean training?"),
        (("x.h5", "--batch-size", "two"), "invalid int value: 'two'"),
        (("x.h5", "--batch-size", "0"), "batch-size: expected a whole number of at least 1"),
        (("x.h5", "-f", "yaml"), "invalid choice: 'yaml'"),
        (("x.h5", "-f", "json", "-f", "text"), "Standard output can take one output only."),
        (("x.h5", "-o", "a", "-o", "b"), "-o is given 2 times for 1 format."),
        (("x.h5", "-o", "missing/r.txt"), "there is no folder /"),
        (("x.h5", "--write-baseline", "missing/b.json"), "there is no folder /"),
        (("x.h5", "--write-baseline", "a", "--baseline", "b"), "not allowed with argument"),
        (("x.h5", "-o", "."), "is a folder"),
        (("explain", "OPC999"), "There is no rule OPC999."),
        (("report", "a", "b"), "unrecognized arguments: b."),
    ],
)
def test_wrong_usage(
    words: tuple[str, ...], message: str, opcheck: Opcheck, checked: list[tuple]
) -> None:
    code, out, err = opcheck(*words)
    assert (code, out) == (3, "")
    assert message in err
    assert err.count("\n") == 1
    assert checked == []


@pytest.mark.parametrize(
    "words",
    [
        "model.h5 -o ./model.h5",
        "model.h5 -o link.h5",
        "model.h5 --write-baseline model.h5",
        "model.h5 --baseline b.json -f html -o b.json",
        "model.h5 -o configured.json",
        "model.h5 --input-file x.npz -o x.npz",
        "model.h5 -t t.json,tensorflow=2.18 -o t.json",
        "model.h5 -f html -f sarif -o x -o ./x",
        "model.h5 -f html -o x --write-baseline ./x",
        "model.h5 --write-baseline -",
        "inspect model.h5 -o model.h5",
        "graph model.h5 -o model.h5",
        "graph r.json -o r.json",
        "fix model.h5 -t metal -o model.h5",
        "inspect saved -o saved/saved_model.pb",
        "saved -f json -o linked/variables/v.index",
        "scan . -o model.h5",
        "scan . -o saved/keras_metadata.pb",
        "report r.json -f html -o r.json",
        "merge r.json b.json -f markdown -o b.json",
        "diff old.json r.json -o r.json",
        "diff r.json old.json -o r.json",
        "registry extract x.npz -o x.npz",
    ],
)
def test_nothing_is_overwritten_that_is_read_or_written(
    words: str, opcheck: Opcheck, checked: list[tuple], tmp_path: Path
) -> None:
    files = ["model.h5", "r.json", "b.json", "configured.json", "x.npz", "t.json", "opcheck.toml"]
    files += [f"saved/{name}" for name in ("saved_model.pb", "keras_metadata.pb")]
    files += ["saved/variables/v.index"]
    (tmp_path / "saved" / "variables").mkdir(parents=True)
    for name in files:
        (tmp_path / name).write_text("baseline = 'configured.json'", "utf-8")
    (tmp_path / "link.h5").symlink_to(tmp_path / "model.h5")
    (tmp_path / "linked").symlink_to(tmp_path / "saved")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = opcheck(*words.split())
    assert (code, out, checked) == (3, "", [])
    assert re.search(r"would be overwritten|can take one output only", err)
    assert sorted(tmp_path.rglob("*")) == before
    assert {(tmp_path / name).stat().st_size for name in files} == {28}


@pytest.mark.usefixtures("checked")
def test_a_report_in_a_saved_model_is_none_of_it(opcheck: Opcheck, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    for _ in range(2):
        assert opcheck(".", "-o", "report.txt", "--fail-on", "never")[0] != 3


def test_an_error_is_one_line_and_its_exit_code(
    opcheck: Opcheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*_: object, **__: object) -> None:
        raise UnreadableModelError("x.h5 is empty.", hint="Save it again.")

    monkeypatch.setattr("opcheck.pipeline.check", check)
    assert opcheck("x.h5") == (2, "", "opcheck: x.h5 is empty. Save it again.\n")
    code, _, err = opcheck("x.h5", "--debug")
    assert code == 2
    assert "Traceback" in err


def test_a_bug_asks_to_be_reported(opcheck: Opcheck, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("opcheck.pipeline.check", check)
    code, out, err = opcheck("x.h5")
    assert (code, out) == (2, "")
    assert "ZeroDivisionError: oops" in err
    assert "--debug" in err
    assert "Traceback" not in err
    assert "Traceback" in opcheck("x.h5", "--debug")[2]


def test_ctrl_c(opcheck: Opcheck, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("opcheck.pipeline.check", check)
    assert opcheck("x.h5") == (2, "", "opcheck: interrupted\n")


def test_explain(opcheck: Opcheck) -> None:
    code, out, _ = opcheck("explain", "opc101")
    assert code == 0
    assert out.startswith("OPC101: No kernel for this op on the accelerator.\n\n## What it does\n")


@pytest.mark.parametrize(("installed", "code"), [({"tensorflow": "2.18.1"}, 0), ({}, 2)])
def test_doctor(
    installed: dict[str, str], code: int, opcheck: Opcheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opcheck.installed.version_of", installed.get)
    found, out, _ = opcheck("doctor")
    assert found == code
    assert ("No TensorFlow" in out) is (code == 2)
    assert "2.18.1" in out or not installed
    assert "tensorflow-metal" in out
    assert re.search("^emulated devices +(are built with|none)", out, re.MULTILINE)
    assert re.search("^  graph ", out, re.MULTILINE)


def test_report_renders_again(opcheck: Opcheck, tmp_path: Path, report: Report) -> None:
    (tmp_path / "r.json").write_text(FORMATS["json"](report, Style()), "utf-8")
    assert opcheck("report", "r.json") == (0, FORMATS["text"](report, Style()), "")
    assert opcheck("report", "r.json", "-f", "json").out == FORMATS["json"](report, Style())


@pytest.mark.parametrize(("format_", "encoding"), [("json", "utf-8"), ("text", "cp1252")])
def test_documents_are_utf8_and_words_are_the_terminals(format_: str, encoding: str) -> None:
    canonical = Path(__file__).parents[2] / "snapshots" / f"canonical.{format_}"
    words = ("report", str(canonical.with_suffix(".json")), "-f", format_)
    done = subprocess.run(
        [sys.executable, "-m", "opcheck", *words],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
    )
    written = canonical.read_text(encoding="utf-8").encode(encoding)
    assert done.stdout.replace(b"\r\n", b"\n") == written


def test_report_of_what_is_no_report(opcheck: Opcheck, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("{}", "utf-8")
    code, out, err = opcheck("report", "r.json")
    assert (code, out) == (2, "")
    assert "is not an opcheck report" in err


def test_version_and_help() -> None:
    for option in ("--version", "--help"):
        with pytest.raises(SystemExit) as stop:
            cli.main([option])
        assert stop.value.code == 0


def test_main_exits_with_the_code() -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["explain", "nothing"])
    assert stop.value.code == 3


def test_python_m_opcheck() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "opcheck", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"opcheck {package.__version__}\n"


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import opcheck", ("tensorflow", "networkx", "h5py", "rich", "msgspec", "numpy")),
        ("from opcheck import cli; cli.run(['explain', 'OPC101'])", ("tensorflow", "networkx")),
        ("import opcheck.pipeline", ("tensorflow", "rich", "h5py")),
    ],
)
def test_imports_stay_light(code: str, heavy: tuple[str, ...]) -> None:
    test = f"{code}\nimport sys\nfound = set(sys.modules) & set({heavy!r})\nassert not found, found"
    subprocess.run([sys.executable, "-c", test], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", [(), *((name,) for name in cli._COMMANDS), *REGISTRY])
def test_help_fits_a_terminal(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stop:
        cli.run([*command, "--help"])
    assert stop.value.code == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []
