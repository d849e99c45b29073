"""`opcheck registry capture`, with a plugin that is installed for the test: the emulated device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opcheck import emulator
from opcheck.cache import cache_dir
from opcheck.emulator.registry_file import line
from opcheck.installed import version_of
from opcheck.targets import KernelDef

OWN = (
    KernelDef("Relu", "GPU", (("T", ("float32",)),), (), 0, "", "plugin", ()),
    KernelDef("Elu", "GPU", (("T", ("float16",)),), (), 0, "", "plugin", ()),
    KernelDef(
        "Pad",
        "GPU",
        (("T", ("float32",)), ("Tpaddings", ("int32",))),
        ("paddings",),
        0,
        "",
        "plugin",
        (),
    ),
)
REAL = "tensorflow-directml-plugin"


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "opcheck", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.mark.skipif(version_of(REAL) is not None, reason="a plugin is installed")
def test_without_a_plugin() -> None:
    ran = run("registry", "capture")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("opcheck: No accelerator plugin is installed")


@pytest.mark.skipif(sys.platform != "linux", reason="the emulated device is built on Linux")
@pytest.mark.skipif(version_of(REAL) is not None, reason="a plugin is installed")
def test_what_the_plugin_adds_is_the_plugins(tmp_path: Path) -> None:
    """It is captured kernel for kernel, and the file is a target."""
    plugins = tmp_path / "site" / "tensorflow-plugins"
    plugins.mkdir(parents=True)
    (plugins / "device.so").write_bytes(emulator.build(cache_dir()).read_bytes())
    about = tmp_path / "site" / "example_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: example-plugin\nVersion: 1.0\n")
    (about / "RECORD").write_text("tensorflow-plugins/device.so,,\n")
    registry = tmp_path / "registry"
    lines = ["platform EXAMPLE", "device GPU", *(f"add {line(kernel)}" for kernel in OWN)]
    registry.write_text("\n".join(lines) + "\n")
    captured = tmp_path / "captured.json"
    path = os.pathsep.join(
        [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    )
    variables = {"PYTHONPATH": path, "OPCHECK_EMULATOR_REGISTRY": str(registry)}
    ran = run("registry", "capture", "-o", str(captured), **variables)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith("opcheck: example-plugin 1.0: 3 kernels; TensorFlow ")
    exported = run("registry", "export", str(captured), "--layer", "plugin")
    assert [
        (row["op"], row["constraints"], row["host_memory"]) for row in json.loads(exported.stdout)
    ] == [
        ("Elu", {"T": ["float16"]}, []),
        ("Pad", {"T": ["float32"], "Tpaddings": ["int32"]}, ["paddings"]),
        ("Relu", {"T": ["float32"]}, []),
    ]
    host = json.loads(captured.read_text())["host"]
    assert any("GPU" in device for device in host["devices"])


@pytest.mark.skipif(version_of(REAL) is None, reason=f"{REAL} is not installed")
def test_the_real_plugin_is_what_is_shipped(tmp_path: Path) -> None:
    captured = tmp_path / "captured.json"
    ran = run("registry", "capture", "-o", str(captured))
    assert ran.returncode == 0, ran.stderr
    shipped = run("registry", "export", f"directml@{version_of(REAL)}")
    assert run("registry", "export", str(captured)).stdout == shipped.stdout
