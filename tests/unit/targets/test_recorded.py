"""Registries in files of the user's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from opcheck.errors import UnknownTargetError, UsageError
from opcheck.formats.kernels import render, render_recorded
from opcheck.targets import Target, known_targets, resolve, support
from opcheck.targets.recorded import SCHEMA, Host, Recorded
from opcheck.targets.rows import Row
from opcheck.targets.store import PluginTraits

HOST = Host("2.10.1", 2, "Linux-6.1", "x86_64", ("/physical_device:CPU:0",), ("NoKernelAtAll",))
OWN = Row("MatMul", "GPU", {"T": ("float32",)}, (), 0, "", "plugin", None)


def every_kernel(target: Target) -> list[Row]:
    return [Row.of(k) for op in target.registry.ops() for k in target.registry.kernels(op)]


def record(**changes: object) -> Recorded:
    values: dict[str, object] = {
        "schema": SCHEMA,
        "generated_by": "a test",
        "method": "extracted",
        "plugin": "metal",
        "version": "1.3.0",
        "distribution": "tensorflow-metal",
        "arch": "arm64",
        "os_versions": ("13", "12"),
        "traits": PluginTraits("METAL", "GPU", (("remapping", "off"),), ()),
        "host": None,
        "sources": (),
        "kernels": (OWN,),
    }
    return Recorded(**(values | changes))


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., str]:
    def save(name: str = "found.json", **changes: object) -> str:
        path = tmp_path / name
        path.write_text(render_recorded(record(**changes)), encoding="utf-8")
        return str(path)

    return save


def test_what_is_written_is_read_again(saved: Callable[..., str]) -> None:
    there = msgspec.json.decode(Path(saved()).read_bytes(), type=Recorded)
    assert there == record()
    assert Path(saved()).read_text("utf-8").endswith('"requires":null}\n]\n}\n')


def test_a_captured_registry_is_the_target(saved: Callable[..., str]) -> None:
    shipped = resolve("directml")
    directml = {
        "method": "captured",
        "plugin": "directml",
        "version": "0.4.0.dev230202",
        "distribution": "tensorflow-directml-plugin",
        "arch": "x86_64",
        "os_versions": (),
        "traits": PluginTraits("DML", "GPU", (), ()),
        "host": HOST,
    }
    path = saved("Mine, all.JSON", **directml, kernels=tuple(every_kernel(shipped)))
    target = resolve(path)
    assert (target.match, target.match_reason) == ("exact", "")
    assert target.description == "directml@0.4.0 (captured)"
    assert (target.tensorflow, target.tensorflow_supported) == ("2.10.1", ("==2.10.*",))
    assert (target.device_type, target.platform, target.keras_major) == ("GPU", "DML", 2)
    assert render(_kernels(target)) == render(_kernels(shipped))
    assert target.defines("NoKernelAtAll")
    assert resolve(target.spec).description == target.description
    assert target.kernels == "Mine, all.JSON"
    with pytest.raises(UnknownTargetError, match=r"captured on Linux-6\.1 beside TensorFlow 2"):
        resolve(path + ",tensorflow=2.10")


def _kernels(target: Target) -> list:
    return [k for op in target.registry.ops() for k in target.registry.kernels(op)]


def test_an_extracted_one_stands_beside_the_nearest_core(saved: Callable[..., str]) -> None:
    path = saved()
    target = resolve(path)
    newest = resolve("metal")
    assert target.description == "metal@1.3.0 (macOS 13+, extracted, arm64)"
    assert target.tensorflow == newest.tensorflow
    assert target.match == "nearest"
    assert "found.json holds no kernels of TensorFlow. Those of " in target.match_reason
    assert [k.origin for k in target.registry.kernels("MatMul", "GPU")] == ["plugin"]
    assert target.registry.kernels("Einsum") == newest.registry.kernels("Einsum")
    assert target.optimizer_switches == (("remapping", "off"),)
    again = resolve(target.spec)
    assert (again.match, again.tensorflow) == ("exact", target.tensorflow)


def test_tensorflow_picks_its_core(saved: Callable[..., str]) -> None:
    target = resolve(saved() + ",tensorflow=2.13,macos=12")
    assert (target.match, target.tensorflow, target.os_version) == ("exact", "2.13.0", "12")
    assert target.kernels == "found.json,tensorflow=2.13.0,macos=12"
    with pytest.raises(UnknownTargetError, match=r"no kernels of TensorFlow 2\.99 beside metal@1"):
        resolve(saved() + ",tensorflow=2.99")
    assert resolve(saved() + ",tensorflow=2.99", nearest=True).match == "nearest"
    with pytest.raises(UnknownTargetError, match="not run on macOS 11"):
        resolve(saved() + ",macos=11")


def test_a_version_that_is_known_has_its_own_core(saved: Callable[..., str]) -> None:
    target = resolve(saved(version="1.1.0"))
    assert (target.match, target.label) == ("exact", "metal@1.1.0")
    assert target.tensorflow == resolve("metal@1.1.0").tensorflow


def test_a_library_has_no_version(saved: Callable[..., str]) -> None:
    target = resolve(saved(version="unknown"))
    assert target.label == "metal@unknown"
    known = support.history(target)
    assert known[-1] is target
    labels = {t.label for t in known_targets() if (t.plugin, t.arch) == ("metal", "arm64")}
    assert len(known) == len(labels) + 1
    assert support.between(resolve("metal"), target)[-1] is target
    for versions, among in {"": True, ">=1.2.0": True, "<1.2.0": False, "==1.2.0": False}.items():
        assert target.is_among("metal", versions) is among
        assert not target.is_among("directml", versions)


def _with(**changes: object) -> Callable[[dict], dict]:
    return lambda document: document | changes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_with(schema=7), "its schema is 7, not 1"),
        (_with(method="guessed"), "Invalid enum value 'guessed'"),
        (_with(kernels=[]), "no kernel of a plugin for GPU"),
        (_with(os_versions=["ventura"]), "a version in it is none of a system or TensorFlow"),
        (_with(host=msgspec.to_builtins(HOST) | {"tensorflow": "two"}), "a version in it is none"),
        (_with(kernels=[{"op": "MatMul"}]), r"missing required field `device` - at `\$.kernels"),
        (_with(more=1), "unknown field `more`"),
        (lambda document: document["kernels"], "Expected `object`, got `array`"),
    ],
)
def test_what_is_no_such_file(
    change: Callable[[dict], object], said: str, saved: Callable[..., str]
) -> None:
    path = Path(saved())
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8")))), encoding="utf-8")
    with pytest.raises(UnknownTargetError, match=said) as error:
        resolve(str(path))
    assert "-f target" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"schema": 1'])
def test_a_damaged_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(UnknownTargetError, match=r"broken\.json is no registry"):
        resolve(str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownTargetError, match="cannot be read: No such file"):
        resolve(str(tmp_path / "absent.json"))
    with pytest.raises(UsageError):
        resolve("absent.json,os=1")


def test_a_plugin_that_has_no_known_core(saved: Callable[..., str]) -> None:
    path = saved(plugin="itex", distribution="intel-extension-for-tensorflow")
    with pytest.raises(UnknownTargetError, match="kernels of itex, and opcheck knows no Tensor"):
        resolve(path)
