"""TensorFlow for Linux, installed and asked: what emulation must recover, kernel for kernel.

The environments stay in the cache folder, which pip fills from the package index. Needs Python
3.7, 3.10 and 3.12, and a C compiler for the oldest wheels.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from live_kernels import live_kernels

from opcheck.extract import wheels
from opcheck.extract.manifest import CoreRow, manifest
from opcheck.targets import KernelDef


@dataclass(frozen=True)
class Published:
    """A TensorFlow for Linux, the Python it is for, and what pip must not choose too new."""

    wheel: str
    sha256: str
    python: str
    requirements: tuple[str, ...] = ()


def _of_manifest(name: str, python: str, *requirements: str) -> Published:
    row: CoreRow = next(row for row in manifest().core if row.name == name)
    return Published(row.wheel, row.sha256, python, requirements)


CORES = {
    "tensorflow-2.18.1-linux-x86_64": Published(
        "tensorflow_cpu-2.18.1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "8e0f27dbd92c6d380ae0ccfe73c7343f65c127b0aa98467c30c2e71eda7c76a4",
        "3.12",
    ),
    "tensorflow-2.10.0-linux-x86_64": _of_manifest(
        "tensorflow-2.10.0-linux-x86_64", "3.10", "numpy<2"
    ),
    "tensorflow-2.9.1-linux-x86_64": _of_manifest(
        "tensorflow-2.9.1-linux-x86_64", "3.10", "numpy<2", "protobuf<3.20"
    ),
} | {
    row.name: Published(row.wheel, row.sha256, "3.7", ("protobuf<3.21",))
    for row in manifest().core
    if "-directml-" in row.name
}
"""By the core's row in the manifest; 2.18.1 is in none, and is there as one more proof."""

_NEEDS_WSL = ("tensorflow-1.15.4-directml", "tensorflow-1.15.3-directml")


def of_tensorflow(name: str, folder: Path) -> Counter[KernelDef]:
    """The kernels of one of `CORES`, on every device; ``folder`` is for files that it needs."""
    needs_wsl = name.startswith(_NEEDS_WSL)
    here = {"LD_LIBRARY_PATH": str(_without_direct3d(folder))} if needs_wsl else {}
    return live_kernels(_environment(CORES[name]), **here)[0]


def of_plugin(library: Path, core: str) -> Counter[KernelDef]:
    """The kernels that a TensorFlow has with the plugin and lacks without it; ``core`` is a row."""
    return live_kernels(_environment(CORES[core]), library)[1]


def _environment(published: Published) -> Path:
    """The Python of a virtual environment that holds the wheel; kept for the next run."""
    python = shutil.which(f"python{published.python}")
    if python is None or subprocess.run([python, "-c", ""], check=False).returncode:
        raise RuntimeError(f"there is no Python {published.python} here")
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
