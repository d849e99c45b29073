"""Reports, baselines, registries and settings that somebody else may have written."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from opcheck import cli, documents


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no file"):
        documents.content(Path(os.devnull))
    with pytest.raises(OSError, match=r"directory|denied|no file"):
        documents.content(tmp_path)
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        (tmp_path / "deep.json").write_text('{"x":' + "[" * 100_000 + "]" * 100_000 + "}")
        documents.decoded(tmp_path / "deep.json", msgspec.defstruct("Any", []))


def test_what_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 2**20)
    (tmp_path / "large").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(OSError, match="larger than 1 MB"):
        documents.content(tmp_path / "large")


@pytest.mark.skipif(sys.platform == "win32", reason="fifos")
def test_a_pipe(tmp_path: Path) -> None:
    read, write = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(write, b"a" * 200_000), os.close(write)))
    writer.start()
    assert len(documents.content(Path(f"/dev/fd/{read}"))) == 200_000
    writer.join()
    os.mkfifo(tmp_path / "nobody-writes")
    assert documents.content(tmp_path / "nobody-writes") == b""


DEEP = "[" * 100_000
COMMANDS = {
    "report": ["report", "FILE"],
    "diff": ["diff", "FILE", "FILE"],
    "merge": ["merge", "FILE", "FILE", "-o", "out.json"],
    "baseline": ["check", "package.module:f", "-t", "metal@1.2.0", "--baseline", "FILE"],
    "registry": ["registry", "export", "FILE"],
    "graph": ["graph", "FILE"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_hostile_document_is_an_error(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for text in ('{"schema_version":"1.0","x":' + DEEP, DEEP, "\ud800", "\n::error::x"):
        Path("hostile.json").write_text(text, encoding="utf-8", errors="surrogatepass")
        code = cli.run([word.replace("FILE", "hostile.json") for word in command])
        told = capsys.readouterr().err
        assert code in (2, 3)
        assert "mistake" not in told
        assert told.startswith("opcheck: ")
        assert told.count("\n") == 1


def test_hostile_settings_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line breaks in what they name do not begin a line, which GitHub's runner would obey."""
    monkeypatch.chdir(tmp_path)
    for text in ("x = " + "[" * 20_000, 'targets = ["a\\n::error::b\\u001b[31m"]'):
        Path("opcheck.toml").write_text(text)
        assert cli.run(["check", "package.module:f"]) in (2, 3)
        told = capsys.readouterr().err
        assert told.startswith("opcheck: ")
        assert told.count("\n") == 1
        assert told.rstrip("\n").isprintable()


REPORT = Path(__file__).parents[2] / "snapshots" / "canonical.json"
OWN = ("tool.version", "model.sha256", "environment.tensorflow", "environment.machine")


@pytest.mark.parametrize("field", [*OWN, "findings.code", "findings.fix", "hazards.code", "target"])
def test_a_report_in_other_words(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What opcheck itself writes is printed as it is: another's words do not come so far."""
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    places = {
        "tool.version": (report["tool"], "version"),
        "model.sha256": (report["model"], "sha256"),
        "environment.tensorflow": (report["environment"], "tensorflow"),
        "environment.machine": (report["environment"], "machine"),
        "findings.code": (report["results"][0]["findings"][0], "code"),
        "findings.fix": (report["results"][0]["findings"][0], "fix"),
        "hazards.code": (report["model"]["hazards"][0], "code"),
        "target": (report["results"][0], "target"),
    }
    holder, key = places[field]
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report), encoding="utf-8")
    assert cli.run(["report", str(path)]) == 0
    holder[key] = "x\n::error::forged\x1b[31m"
    path.write_text(json.dumps(report), encoding="utf-8")
    capsys.readouterr()
    assert cli.run(["report", str(path), "-f", "markdown"]) == 2
    assert capsys.readouterr().err == f"opcheck: {path} was not written by opcheck.\n"
