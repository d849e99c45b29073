"""`opcheck registry extract`, with the extra."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from opcheck import cli
from opcheck.extract import wheels
from opcheck.extract.manifest import manifest
from opcheck.targets import resolve


@pytest.mark.wheels
@pytest.mark.parametrize("target", ["metal@1.0.1", "directml@0.4.0"])
def test_extract_is_the_export(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    plugin, _, version = target.partition("@")
    row = next(r for r in manifest().plugin if (r.plugin, r.version) == (plugin, version))
    wheel = wheels.fetch(row.wheel, row.sha256)
    assert cli.run(["registry", "extract", str(wheel)]) == 0
    extracted = capsys.readouterr().out
    assert cli.run(["registry", "export", target, "--layer", "plugin"]) == 0
    assert extracted == capsys.readouterr().out


@pytest.mark.wheels
def test_what_is_extracted_is_a_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = next(r for r in manifest().plugin if (r.plugin, r.version) == ("metal", "1.1.0"))
    wheel = wheels.fetch(row.wheel, row.sha256)
    file = str(tmp_path / "metal.json")
    assert cli.run(["registry", "extract", str(wheel), "-f", "target", "-o", file]) == 0
    for system in ("", ",macos=12"):
        capsys.readouterr()
        assert cli.run(["registry", "export", file + system]) == 0
        ours = capsys.readouterr()
        assert cli.run(["registry", "export", "metal@1.1.0,arch=arm64" + system]) == 0
        assert ours == capsys.readouterr()
    found, shipped = resolve(file), resolve("metal@1.1.0,arch=arm64")
    assert (found.match, found.platform) == ("exact", shipped.platform)
    assert found.optimizer_switches == shipped.optimizer_switches


def test_what_is_neither_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes, empty, shell = tmp_path / "notes.so", tmp_path / "x.whl", tmp_path / "shell.whl"
    notes.write_text("not a library")
    empty.write_bytes(b"")
    with zipfile.ZipFile(shell, "w") as archive:
        archive.writestr("x/METADATA", "")
    said = {
        tmp_path / "absent.whl": "There is no file",
        notes: "not a shared library",
        empty: "is not a wheel",
        shell: "does not hold TensorFlow",
    }
    for path, message in said.items():
        assert cli.run(["registry", "extract", str(path)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert message in captured.err
