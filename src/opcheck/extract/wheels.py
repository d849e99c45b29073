"""Published wheels: downloaded by pip into a cache outside the repository, and opened."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from opcheck.cache import cache_dir
from opcheck.errors import ExtractError
from opcheck.interrupts import temporary_folder
from opcheck.targets.kernels import KernelDef

_LIBRARY_SUFFIXES = (".so", ".dylib", ".dll", ".1", ".2")  # libtensorflow_framework.so.2
# Libraries of TensorFlow have a gigabyte, and shrink to a fifth.
_LARGE, _MOST_TIMES = 64 * 2**20, 30
_MOST_UNPACKED = 4 << 30  # bytes; a TensorFlow for macOS has 1.1 GB of libraries
_GENERATED = re.compile(r"/gen_\w+\.py$")
_WRAPPED = re.compile(r'_apply_op_helper\(\s*"(\w+)"')
# A wheel up to 2.11 holds copies where others have links: libtensorflow_framework.dylib,
# .2.dylib and .2.11.0.dylib. The middle one is what the other libraries ask for.
_CORE = (
    "libtensorflow_framework.2.dylib",
    "libtensorflow_framework.so.2",
    "libtensorflow_framework.so.1",
    "libtensorflow_cc",
    "_pywrap_tensorflow_internal",
    "_audio_microfrontend_op",
    "libtfkernel_sobol_op",
)


def fetch(name: str, sha256: str) -> Path:
    """The wheel ``name``, downloaded when the cache lacks it, its hash checked."""
    path = cache_dir() / "wheels" / name
    if not path.exists():
        _download(path)
    found = digest(path)
    if found != sha256:
        raise ExtractError(
            f"{name} has sha256 {found}, not {sha256}.",
            hint=f"Delete {path} and run again; if it stays so, the index serves another file.",
        )
    return path


def digest(path: Path) -> str:
    """The sha256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def libraries(wheel: Path) -> tuple[str, ...]:
    """The shared libraries in a wheel, by path."""
    with zipfile.ZipFile(wheel) as archive:
        return tuple(
            sorted(n for n in archive.namelist() if PurePosixPath(n).suffix in _LIBRARY_SUFFIXES)
        )


def plugin_library(wheel: Path) -> str:
    """The library that TensorFlow would load from a wheel: the one in tensorflow-plugins."""
    try:
        names = libraries(wheel)
    except zipfile.BadZipFile:
        raise ExtractError(f"{wheel.name} is not a wheel.") from None
    found = [n for n in names if PurePosixPath(n).parent.name == "tensorflow-plugins"]
    if len(found) != 1:
        raise ExtractError(
            f"{wheel.name} holds {len(found)} libraries in tensorflow-plugins; a plugin has one."
        )
    return found[0]


def oldest_macos(wheel: str) -> Version | None:
    """The first macOS that pip installs a wheel on, by its name; None for another system's."""
    tag = re.search(r"-macosx_(\d+)_(\d+)_", wheel)
    return Version(".".join(tag.groups())) if tag else None


def core_libraries(wheel: Path) -> tuple[str, ...]:
    """The libraries that ``import tensorflow`` loads and that register kernels, in load order."""
    found = {PurePosixPath(n).name: n for n in libraries(wheel)}
    loaded = [n for stem in _CORE for name, n in found.items() if name.startswith(stem)]
    if len(loaded) < 2:
        raise ExtractError(f"{wheel.name} does not hold TensorFlow.")
    return tuple(loaded)


def op_names(wheel: Path) -> frozenset[str]:
    """The ops that a TensorFlow wheel wraps for Python (the generated ``gen_*_ops.py``)."""
    found: set[str] = set()
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if _GENERATED.search(name):
                found.update(_WRAPPED.findall(archive.read(name).decode()))
    return frozenset(found)


def named(wheel: Path) -> tuple[str, str]:
    """The distribution and its version, from the file's name; unknown where it is renamed."""
    try:
        distribution, version, *_ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename:
        return "", "unknown"
    return distribution, str(version)


def os_versions(wheel: str, kernels: Iterable[KernelDef]) -> tuple[str, ...]:
    """The macOS branches, newest first: the wheel's own minimum and every version that a kernel
    requires."""
    oldest = oldest_macos(wheel)
    versions = {Version(str(oldest.major))} if oldest else set()
    for kernel in kernels:
        versions |= {Version(v.strip("<>=")) for what, v in kernel.requires if what == "macos"}
    return tuple(str(v) for v in sorted(versions, reverse=True))


@contextmanager
def unpacked(wheel: Path, members: Sequence[str]) -> Iterator[tuple[Path, ...]]:
    """Libraries of a wheel as files, for as long as the block lasts."""
    with (
        temporary_folder("opcheck-") as folder,
        zipfile.ZipFile(wheel) as archive,
    ):
        infos = [archive.getinfo(member) for member in members]
        _refuse_bombs(wheel, infos)
        paths = tuple(folder / PurePosixPath(member).name for member in members)
        try:
            for info, path in zip(infos, paths, strict=True):
                with archive.open(info) as source, path.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ExtractError(f"{wheel.name} is damaged: {error}.") from None
        yield paths


def _refuse_bombs(wheel: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    """By what the archive says of each library and of all; zipfile reads no more than it says."""
    for info in infos:
        if info.file_size > max(_LARGE, info.compress_size * _MOST_TIMES):
            raise ExtractError(
                f"{info.filename} is {info.file_size >> 20} MB in {info.compress_size >> 20} MB: "
                "a bomb, no library."
            )
    size = sum(info.file_size for info in infos)
    if size > _MOST_UNPACKED:
        raise ExtractError(f"{wheel.name} unpacks to {size >> 20} MB of libraries.")


def _download(path: Path) -> None:
    try:
        distribution, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise ExtractError(f"{error}.") from None
    tag = next(iter(tags))
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(path.parent)]
    command += ["--implementation", "cp", "--python-version", tag.interpreter.removeprefix("cp")]
    command += ["--abi", tag.abi]
    for platform in sorted(t.platform for t in tags):
        command += ["--platform", platform]
    run = subprocess.run(
        [*command, f"{distribution}=={version}"], capture_output=True, text=True, check=False
    )
    if run.returncode or not path.exists():
        raise ExtractError(
            f"pip could not download {path.name}: {run.stderr.strip()[-300:] or 'no such file'}",
            hint=f"Put the wheel into {path.parent} yourself, or check the network.",
        )
