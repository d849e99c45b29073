"""The published wheels, recovered again: the shipped files, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opcheck.errors import ExtractError
from opcheck.extract import regenerate, wheels
from opcheck.extract.manifest import manifest
from opcheck.extract.plugin import extract_plugin
from opcheck.targets.index import DATA

# The newest core of each plugin stands for the others, which take minutes and two gigabytes.
_ALWAYS = {"tensorflow-2.18.1-macos-arm64", "tensorflow-2.10.0-linux-x86_64"}
NAMES = [row.name for row in manifest().plugin] + [
    pytest.param(row.name, marks=() if row.name in _ALWAYS else pytest.mark.every_core)
    for row in manifest().core
]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the data folder that `regenerate` writes to."""
    for path in DATA.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(regenerate, "DATA", tmp_path)
    monkeypatch.setattr(regenerate, "INDEX", tmp_path / "index.json")
    yield tmp_path


@pytest.mark.wheels
@pytest.mark.parametrize("name", NAMES)
def test_a_registry_is_recovered_byte_for_byte(name: str, data: Path) -> None:
    (data / f"{name}.json").unlink()
    (data / "index.json").unlink()
    assert regenerate.main([name]) == 0
    for path in data.iterdir():
        assert path.read_bytes() == (DATA / path.name).read_bytes(), path.name


@pytest.mark.wheels
def test_both_branches_of_the_macos_check_are_run() -> None:
    row = next(r for r in manifest().plugin if r.name == "metal-1.2.0-arm64")
    wheel = wheels.fetch(row.wheel, row.sha256)
    with wheels.unpacked(wheel, [wheels.plugin_library(wheel)]) as (library,):
        facts = extract_plugin(library)
    assert {k.requires for k in facts.kernels} == {(), (("macos", ">=13"),)}


def test_an_unknown_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert regenerate.main(["metal-9.9"]) == 3
    assert "metal-1.2.0-arm64" in capsys.readouterr().err


def test_a_wheel_that_is_not_the_published_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPCHECK_CACHE_DIR", str(tmp_path))
    row = manifest().plugin[0]
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / row.wheel).write_bytes(b"something else")
    with pytest.raises(ExtractError, match="has sha256"):
        wheels.fetch(row.wheel, row.sha256)


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(b"not a zip")
    with pytest.raises(ExtractError, match="not a wheel"):
        wheels.plugin_library(path)
