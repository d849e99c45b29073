"""One wheel or library, whichever it is: what it registers."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

import msgspec

from opcheck.errors import ExtractError
from opcheck.extract import wheels
from opcheck.extract.core import LibraryFacts, extract_core
from opcheck.extract.image import Arch
from opcheck.extract.plugin import extract_plugin
from opcheck.targets.kernels import KernelDef


class Extracted(msgspec.Struct, frozen=True):
    """``abandoned`` names the initializers whose kernels may be missing, with the reason."""

    kernels: tuple[KernelDef, ...]
    abandoned: tuple[str, ...] = ()


def extract_file(path: Path, arch: Arch | None = None) -> Extracted:
    """The kernels of a plugin's wheel or library, or of a TensorFlow wheel."""
    if not path.is_file():
        raise ExtractError(f"There is no file {path}.")
    if path.suffix != ".whl":
        return Extracted(extract_plugin(path, arch).kernels)
    if not _holds_plugin(path):
        with wheels.unpacked(path, wheels.core_libraries(path)) as libraries:
            return _core(extract_core(libraries, arch))
    with wheels.unpacked(path, [wheels.plugin_library(path)]) as (library,):
        oldest = wheels.oldest_macos(path.name)
        return Extracted(extract_plugin(library, arch, oldest=oldest).kernels)


def _holds_plugin(wheel: Path) -> bool:
    return any(PurePosixPath(n).parent.name == "tensorflow-plugins" for n in _libraries(wheel))


def _libraries(wheel: Path) -> tuple[str, ...]:
    try:
        return wheels.libraries(wheel)
    except zipfile.BadZipFile:
        raise ExtractError(f"{wheel.name} is not a wheel.") from None


def _core(libraries: tuple[LibraryFacts, ...]) -> Extracted:
    return Extracted(
        tuple(kernel for library in libraries for kernel in library.kernels),
        tuple(
            f"{library.name}: {stopped.label} ({stopped.reason})"
            for library in libraries
            for stopped in library.abandoned
        ),
    )
