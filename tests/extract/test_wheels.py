"""The published wheels, recovered again: the shipped files, byte for byte."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from operator import attrgetter
from pathlib import Path

import pytest
from packaging.version import Version

from opcheck.errors import ExtractError
from opcheck.extract import regenerate, wheels
from opcheck.extract.manifest import PluginRow, manifest
from opcheck.extract.plugin import extract_plugin
from opcheck.targets import store
from opcheck.targets.index import DATA

_BOTH, _OLD, _NEW = ("12", "13"), ("12",), ("13",)
CHECKS = {
    "arm64": {
        **dict.fromkeys(("0.7.0", "0.7.1", "0.8.0", "1.0.0", "1.0.1", "1.1.0"), _BOTH),
        "1.2.0": _NEW,
    },
    "x86_64": {
        **dict.fromkeys(("0.2.0", "0.3.0", "0.4.0"), _OLD),
        **dict.fromkeys(("0.7.0", "0.7.1", "0.8.0"), _BOTH),
        "1.0.0": _NEW,
    },
}
"""The macOS versions that each Metal plugin looks for: 12 by ``@available``, 13 by a method of
MPSGraph. A build that is for macOS 12 and later has its compiler answer the former."""

# DirectML's core stands for the others, which take minutes and gigabytes; test_registry_proof.py
# has Metal's newest.
_ALWAYS = "tensorflow-2.10.0-linux-x86_64"
ROW_NAME = attrgetter("name")
NAMES = [row.name for row in manifest().plugin] + [
    pytest.param(row.name, marks=() if row.name == _ALWAYS else pytest.mark.every_core)
    for row in manifest().core
]


# The wheels for Windows, where most people run these plugins; what ships is recovered from Linux'.
WINDOWS = {
    "directml-0.4.0": (
        "tensorflow_directml_plugin-0.4.0.dev230202-cp310-cp310-win_amd64.whl",
        "77e9c15ed2d3b20f55ad15a7e2354c0ef7843aad2b09dfa979d8dd753b76154e",
    ),
    "directml-0.3.0": (
        "tensorflow_directml_plugin-0.3.0.dev221212-cp310-cp310-win_amd64.whl",
        "05f02b7c77a3ebe5631a871d7a5a285338635453f041065f77e9691363a703b9",
    ),
    "directml-0.2.0": (
        "tensorflow_directml_plugin-0.2.0.dev221020-cp310-cp310-win_amd64.whl",
        "ce33d942a3e925e3784ff6b5b53fab00494383e11eef019ed8703308a686b2e0",
    ),
    "directml-0.1.1": (
        "tensorflow_directml_plugin-0.1.1.dev221004-cp310-cp310-win_amd64.whl",
        "121538ed6a716e0c29bf47260556b437dc8263a1aec09c2f120f2aa7f163836d",
    ),
    "directml-0.1.0": (
        "tensorflow_directml_plugin-0.1.0.dev220928-cp310-cp310-win_amd64.whl",
        "828e71f5dc794c5f4bbc6ad07dd5eecd964f6835dee7f9a5f009e29c623ed4f5",
    ),
    "directml-0.0.1": (
        "tensorflow_directml_plugin-0.0.1.dev220621-cp310-cp310-win_amd64.whl",
        "43649dc119d35849baf764bcdb06db449b17870f3ff64a3bbce237fae8f13bbe",
    ),
}


@pytest.mark.wheels
@pytest.mark.parametrize("name", NAMES)
def test_a_registry_is_recovered_byte_for_byte(name: str, tmp_path: Path) -> None:
    for path in DATA.glob("*.json"):
        if path.stem not in (name, "index"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert regenerate.main([name], tmp_path) == 0
    for path in DATA.glob("*.json"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


HARMLESS = re.compile(
    r"TF_(DeleteStatus|GetCode|OpDefinitionBuilderAdd\w+|RegisterOpDefinition)"
    r"|_ZdlPv"  # operator delete
    r"|_ZNK?St3__1(13basic_ostream|6locale|8ios_base).*"  # up to 0.1.2: a message
)
"""What Apple's plugins call while they register kernels, and what may well answer 0. Anything else
could be a check of the system, whose other branch would stay unseen."""


@pytest.mark.wheels
@pytest.mark.parametrize("row", [r for r in manifest().plugin if r.plugin == "metal"], ids=ROW_NAME)
def test_each_check_of_the_system_is_run_on_both_branches(row: PluginRow) -> None:
    wheel = wheels.fetch(row.wheel, row.sha256)
    with wheels.unpacked(wheel, [wheels.plugin_library(wheel)]) as (library,):
        facts = extract_plugin(library, oldest=(oldest := wheels.oldest_macos(row.wheel)))
    assert facts.asked == CHECKS[row.arch].get(row.version, ())
    branches = {(("macos", f">={v}"),) for v in facts.asked if Version(v) > oldest}
    assert {k.requires for k in facts.kernels} == {(), *branches}
    assert not [name for name in facts.unanswered if not HARMLESS.fullmatch(name)]


@pytest.mark.wheels
@pytest.mark.parametrize("name", WINDOWS)
def test_the_dll_for_windows_has_the_same_kernels(name: str) -> None:
    wheel = wheels.fetch(*WINDOWS[name])
    with wheels.unpacked(wheel, [wheels.plugin_library(wheel)]) as (library,):
        facts = extract_plugin(library)
    shipped = store.read(DATA / f"{name}.json")
    assert Counter(facts.kernels) == Counter(shipped.kernels())
    assert shipped.plugin is not None
    assert (facts.platform, facts.device_type) == ("DML", shipped.plugin.device_type)


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


def test_a_wheel_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "_MOST_UNPACKED", 1 << 20)
    path, member = tmp_path / "bomb.whl", "tensorflow-plugins/lib.so"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, bytes(2 << 20))
    with pytest.raises(ExtractError, match="unpacks to 2 MB"), wheels.unpacked(path, [member]):
        pass
