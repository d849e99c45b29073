"""One wheel or library, whichever it is: what it registers."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

import msgspec
from packaging.version import Version

from opcheck.errors import ExtractError
from opcheck.extract import wheels
from opcheck.extract.core import LibraryFacts, extract_core
from opcheck.extract.image import Arch
from opcheck.extract.plugin import PluginFacts, extract_plugin
from opcheck.targets.kernels import KernelDef
from opcheck.targets.recorded import SCHEMA, Recorded, nearest_traits, plugin_named
from opcheck.targets.rows import Row
from opcheck.targets.store import PluginTraits, Provenance


class Extracted(msgspec.Struct, frozen=True):
    """``abandoned`` names the initializers whose kernels may be missing, with the reason.

    ``plugin`` is what a plugin says about itself, None for TensorFlow; ``member`` is the library in
    the wheel, empty for a library.
    """

    kernels: tuple[KernelDef, ...]
    plugin: PluginFacts | None = None
    member: str = ""
    abandoned: tuple[str, ...] = ()


def extract_file(path: Path, arch: Arch | None = None) -> Extracted:
    """The kernels of a plugin's wheel or library, or of a TensorFlow wheel."""
    if not path.is_file():
        raise ExtractError(f"There is no file {path}.")
    if path.suffix != ".whl":
        return _plugin(path, arch)
    if not _holds_plugin(path):
        with wheels.unpacked(path, wheels.core_libraries(path)) as libraries:
            return _core(extract_core(libraries, arch))
    member = wheels.plugin_library(path)
    with wheels.unpacked(path, [member]) as (library,):
        return _plugin(library, arch, member, wheels.oldest_macos(path.name))


def recorded(path: Path, found: Extracted) -> Recorded:
    """What was found in ``path``, in a form that can be a target. ExtractError for TensorFlow."""
    facts = found.plugin
    if facts is None:
        raise ExtractError(
            f"{path.name} holds TensorFlow's own kernels: no target without a plugin's.",
            hint="--format json lists them.",
        )
    distribution, version = wheels.named(path)
    plugin = plugin_named(distribution, facts.platform)
    traits = PluginTraits(
        facts.platform, facts.device_type, facts.optimizer_switches, facts.defines
    )
    if not traits.optimizer_switches and (known := nearest_traits(plugin, version)):
        traits = msgspec.structs.replace(traits, optimizer_switches=known.optimizer_switches)
    source = Provenance(
        wheel=path.name,
        sha256=wheels.digest(path),
        member=found.member,
        method="emulated TF_InitKernel",
        ops=len({k.op for k in found.kernels}),
        kernels=len(found.kernels),
    )
    return Recorded(
        schema=SCHEMA,
        generated_by="opcheck registry extract",
        method="extracted",
        plugin=plugin,
        version=version,
        distribution=distribution or plugin,
        arch=facts.arch,
        os_versions=wheels.os_versions(path.name, found.kernels),
        traits=traits,
        host=None,
        sources=(source,),
        kernels=tuple(map(Row.of, found.kernels)),
    )


def _plugin(
    library: Path, arch: Arch | None, member: str = "", oldest: Version | None = None
) -> Extracted:
    facts = extract_plugin(library, arch, oldest=oldest)
    return Extracted(facts.kernels, facts, member)


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
        abandoned=tuple(
            f"{library.name}: {stopped.label} ({stopped.reason})"
            for library in libraries
            for stopped in library.abandoned
        ),
    )
