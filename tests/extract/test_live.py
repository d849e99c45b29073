"""Emulation against the truth: a wheel that is installed and asked, in an environment of its own.

    nox -s extract -- -m live

Ten environments in the cache folder, which pip fills from the package index: a quarter of an hour.
Needs Python 3.7, 3.10 and 3.12, and a C compiler for the oldest wheels.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from live_kernels import live_kernels

from opcheck.extract import wheels
from opcheck.extract.core import extract_core
from opcheck.extract.manifest import CoreRow, PluginRow, manifest
from opcheck.extract.plugin import extract_plugin

pytestmark = pytest.mark.live


@dataclass(frozen=True)
class Published:
    """A TensorFlow for Linux, the Python it is for, and what pip must not choose too new."""

    wheel: str
    sha256: str
    python: str
    requirements: tuple[str, ...] = ()


def _of_manifest(name: str, python: str, *requirements: str) -> Published:
    row = next(row for row in manifest().core if row.name == name)
    return Published(row.wheel, row.sha256, python, requirements)


CORES = {
    "2.18.1": Published(
        "tensorflow_cpu-2.18.1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "8e0f27dbd92c6d380ae0ccfe73c7343f65c127b0aa98467c30c2e71eda7c76a4",
        "3.12",
    ),
    "2.10.0": _of_manifest("tensorflow-2.10.0-linux-x86_64", "3.10", "numpy<2"),
    "2.9.1": _of_manifest("tensorflow-2.9.1-linux-x86_64", "3.10", "numpy<2", "protobuf<3.20"),
} | {
    f"1.15.{n}-directml": _of_manifest(
        f"tensorflow-1.15.{n}-directml-linux-x86_64", "3.7", "protobuf<3.21"
    )
    for n in (8, 7, 6, 5, 4, 3)
}
PLUGINS = [row for row in manifest().plugin if row.plugin == "directml"]
NEEDS_WSL = {"1.15.4-directml", "1.15.3-directml"}


@pytest.mark.parametrize("name", CORES)
def test_a_tensorflow_is_recovered_kernel_for_kernel(name: str, tmp_path: Path) -> None:
    """On every device, also those that no check asks for."""
    published = CORES[name]
    wheel = wheels.fetch(published.wheel, published.sha256)
    with wheels.unpacked(wheel, wheels.core_libraries(wheel)) as libraries:
        emulated = Counter(k for found in extract_core(libraries) for k in found.kernels)
    here = {"LD_LIBRARY_PATH": str(_without_direct3d(tmp_path))} if name in NEEDS_WSL else {}
    live, _ = live_kernels(_environment(published), **here)
    assert emulated - live == Counter()
    assert live - emulated == Counter()


@pytest.mark.parametrize("row", PLUGINS, ids=lambda row: row.name)
def test_a_plugin_is_recovered_kernel_for_kernel(row: PluginRow) -> None:
    """What TensorFlow has with the plugin and lacks without it."""
    wheel = wheels.fetch(row.wheel, row.sha256)
    beside = _core(row.pairing[0].core)
    with wheels.unpacked(wheel, [wheels.plugin_library(wheel)]) as (library,):
        emulated = Counter(extract_plugin(library).kernels)
        _, added = live_kernels(_environment(beside), library)
    assert emulated == added


def _core(name: str) -> Published:
    row: CoreRow = next(row for row in manifest().core if row.name == name)
    return next(published for published in CORES.values() if published.wheel == row.wheel)


def _environment(published: Published) -> Path:
    """The Python of a virtual environment that holds the wheel; kept for the next run."""
    python = shutil.which(f"python{published.python}")
    if python is None or subprocess.run([python, "-c", ""], check=False).returncode:
        pytest.skip(f"no Python {published.python} here")
    folder = wheels.cache_dir().parent / "live" / published.wheel.split("-cp")[0]
    ready, inside = folder / "ready", folder / "bin" / "python"
    if not ready.exists():
        wheel = wheels.fetch(published.wheel, published.sha256)
        subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--upgrade", "pip"], check=True)  # 3.7's own knows no new wheels
        subprocess.run([*pip, str(wheel), *published.requirements], check=True)
        ready.touch()
    return inside


def _without_direct3d(folder: Path) -> Path:
    """Direct3D as Windows gives it to Linux, in name only: the first two versions link to it."""
    source, versions = folder / "direct3d.c", folder / "versions"
    calls = ("D3D12CreateDevice", "D3D12SerializeVersionedRootSignature", "D3D12GetDebugInterface")
    source.write_text("".join(f"int {name}(void) {{ return -1; }}\n" for name in calls))
    versions.write_text("VER_1 { global: D3D12*; };\n")
    (folder / "dxcore.c").write_text("int DXCoreCreateAdapterFactory(void) { return -1; }\n")
    build = ["cc", "-shared", "-fPIC", "-o"]
    link = [f"-Wl,--version-script={versions}", "-Wl,-soname,libd3d12.so"]
    subprocess.run([*build, str(folder / "libd3d12.so"), str(source), *link], check=True)
    dxcore = [str(folder / "libdxcore.so"), str(folder / "dxcore.c"), "-Wl,-soname,libdxcore.so"]
    subprocess.run([*build, *dxcore], check=True)
    return folder
