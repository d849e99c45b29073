"""Rewrites ``targets/data`` from the wheels of the manifest, byte for byte.

    python -m opcheck.extract.regenerate [NAME ...]

With names, only those data files are made again, and what they are the base of; the index always
is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
from packaging.version import Version

from opcheck.errors import ExtractError
from opcheck.extract import wheels
from opcheck.extract.core import LibraryFacts, extract_core
from opcheck.extract.manifest import CoreRow, PluginRow, manifest
from opcheck.extract.plugin import extract_plugin
from opcheck.targets import store
from opcheck.targets.index import DATA, Index
from opcheck.targets.store import PluginTraits, Provenance, RegistryFile
from opcheck.targets.target import Pairing, TargetInfo

CORE_DEVICES = ("CPU", "GPU", "DEFAULT")
"""A check never asks for kernels of XLA's devices or of TPUs."""

GENERATED_BY = "python -m opcheck.extract.regenerate"


def main(argv: Sequence[str] | None = None, folder: Path = DATA) -> int:
    """The command; errors go to standard error with exit code 2."""
    names = sys.argv[1:] if argv is None else list(argv)
    known = {row.name: row for row in rows()}
    unknown = [n for n in names if n not in known]
    if unknown:
        print(f"The manifest has no {unknown[0]}; it has {', '.join(known)}.", file=sys.stderr)
        return 3
    try:
        for row in (row for row in known.values() if row.name in (names or known)):
            start = time.perf_counter()
            registry = recover(row)
            write(row.name, registry, folder)
            kernels = sum(s.kernels for s in registry.sources)
            seconds = time.perf_counter() - start
            print(f"{row.name}: {len(registry.ops)} ops, {kernels} kernels, {seconds:.1f} s")
        write_index(folder)
    except ExtractError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def rows() -> list[CoreRow | PluginRow]:
    """The manifest's, those first that others are told by their difference to."""
    found: list[CoreRow | PluginRow] = [*manifest().core, *manifest().plugin]
    return sorted(found, key=lambda row: row.base is not None)


def write(name: str, registry: RegistryFile, folder: Path) -> None:
    """The file, and those that are told by difference to it."""
    dependent = [r.name for r in rows() if r.base == name and _made(r.name, folder)]
    others = {other: _read(other, folder) for other in dependent if _made(name, folder)}
    store.write(folder / f"{name}.json", registry)
    for other, content in others.items():
        store.write(folder / f"{other}.json", content)


def _read(name: str, folder: Path) -> RegistryFile:
    return store.read(folder / f"{name}.json")


def recover(row: CoreRow | PluginRow) -> RegistryFile:
    """What goes into the row's file, from its wheel."""
    if isinstance(row, PluginRow) and row.device is None:
        return _plugin(row)
    return of_tensorflow(row, _libraries(row.wheel, row.sha256))


def of_tensorflow(row: CoreRow | PluginRow, libraries: Mapping[str, LibraryFacts]) -> RegistryFile:
    """As `recover`, of a TensorFlow whose libraries, by their paths in the wheel, are known."""
    if isinstance(row, PluginRow):
        return _built_in(row, libraries)
    return _core(row, libraries)


def _plugin(row: PluginRow) -> RegistryFile:
    wheel = wheels.fetch(row.wheel, row.sha256)
    member = wheels.plugin_library(wheel)
    with wheels.unpacked(wheel, [member]) as (library,):
        facts = extract_plugin(
            library,
            tensorflow=_version(_core_row(row.pairing[0].core).wheel),
            oldest=wheels.oldest_macos(row.wheel),
        )
    ops = {k.op for k in facts.kernels}
    return RegistryFile(
        schema=store.SCHEMA,
        generated_by=GENERATED_BY,
        origin="plugin",
        distribution=_distribution(row.wheel),
        version=_version(row.wheel),
        arch=facts.arch,
        sources=(
            Provenance(
                wheel=row.wheel,
                sha256=row.sha256,
                member=member,
                method="emulated TF_InitKernel",
                ops=len(ops),
                kernels=len(facts.kernels),
            ),
        ),
        plugin=PluginTraits(
            facts.platform, facts.device_type, facts.optimizer_switches, facts.defines
        ),
        ops=store.group(facts.kernels),
        base=row.base,
    )


def _built_in(row: PluginRow, libraries: Mapping[str, LibraryFacts]) -> RegistryFile:
    """The accelerator's part of a TensorFlow that has it built in; the core row has the rest."""
    device = row.device or ""
    registry = _tensorflow(row, libraries, _core_row(row.pairing[0].core).abandoned, (device,))
    return msgspec.structs.replace(
        registry,
        origin="plugin",
        plugin=PluginTraits(device, device, (), ()),
        sources=tuple(source for source in registry.sources if source.kernels),
    )


def _core(row: CoreRow, libraries: Mapping[str, LibraryFacts]) -> RegistryFile:
    registry = _tensorflow(row, libraries, row.abandoned, CORE_DEVICES)
    ops = dict.fromkeys(wheels.op_names(wheels.fetch(row.wheel, row.sha256)), ())
    return msgspec.structs.replace(registry, ops=ops | registry.ops)


def _tensorflow(
    row: CoreRow | PluginRow,
    libraries: Mapping[str, LibraryFacts],
    abandoned: tuple[str, ...],
    devices: tuple[str, ...],
) -> RegistryFile:
    """The kernels on ``devices`` of a TensorFlow's libraries."""
    sources, kernels = [], []
    for member, library in libraries.items():
        _check(member, library, abandoned)
        ours = [k for k in library.kernels if k.device in devices]
        kernels += ours
        sources.append(
            Provenance(
                wheel=row.wheel,
                sha256=row.sha256,
                member=member,
                method=f"emulated {library.initializers} static initializers",
                ops=len({k.op for k in ours}),
                kernels=len(ours),
                abandoned=tuple(a.label for a in library.abandoned),
            )
        )
    return RegistryFile(
        schema=store.SCHEMA,
        generated_by=GENERATED_BY,
        origin="core",
        distribution=_distribution(row.wheel),
        version=_version(row.wheel),
        arch=next(iter(libraries.values())).arch,
        sources=tuple(sources),
        plugin=None,
        ops=store.group(kernels),
        base=row.base,
    )


@lru_cache(maxsize=8)  # a wheel with the accelerator built in makes two files
def _libraries(wheel: str, sha256: str) -> dict[str, LibraryFacts]:
    path = wheels.fetch(wheel, sha256)
    members = wheels.core_libraries(path)
    with wheels.unpacked(path, members) as paths:
        return dict(zip(members, extract_core(paths), strict=True))


def _core_row(name: str) -> CoreRow:
    return next(row for row in manifest().core if row.name == name)


def _check(member: str, library: LibraryFacts, known: tuple[str, ...]) -> None:
    """A registry is complete only when each initializer ran, or is known to register nothing."""
    for stopped in library.abandoned:
        if stopped.kernels or stopped.label not in known:
            raise ExtractError(
                f"{member}: the initializer {stopped.label} did not run to its end: "
                f"{stopped.reason}."
            )


def _distribution(wheel: str) -> str:
    return wheel.split("-")[0].replace("_", "-")


def _version(wheel: str) -> str:
    return wheel.split("-")[1]


def write_index(folder: Path) -> None:
    """One entry per plugin of the manifest, with what its data files say about themselves."""
    made = [row for row in manifest().plugin if _made(row.name, folder)]
    targets = tuple(_info(row, folder) for row in made if _pairings(row, folder))
    names = sorted({t.registry for t in targets} | {p.core for t in targets for p in t.pairings})
    index = Index(
        schema=store.SCHEMA,
        generated_by=GENERATED_BY,
        targets=targets,
        sources={name: _read(name, folder).sources for name in names},
    )
    text = msgspec.json.format(msgspec.json.encode(index), indent=2).decode()
    (folder / "index.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def _info(row: PluginRow, folder: Path) -> TargetInfo:
    plugin = _read(row.name, folder)
    return TargetInfo(
        plugin=row.plugin,
        version=row.version,
        full_version=plugin.version,
        distribution=plugin.distribution,
        arch=row.arch,
        os_versions=wheels.os_versions(row.wheel, plugin.kernels()),
        tensorflow_supported=row.tensorflow_supported,
        registry=row.name,
        pairings=_pairings(row, folder),
    )


def _pairings(row: PluginRow, folder: Path) -> tuple[Pairing, ...]:
    """A plugin without a core is no target: another TensorFlow's would answer for it."""
    return tuple(
        Pairing(
            core=pairing.core,
            tensorflow=Version(_version(_core_row(pairing.core).wheel)).base_version,
            keras_major=_core_row(pairing.core).keras_major,
            source=pairing.source,
        )
        for pairing in row.pairing
        if _made(pairing.core, folder)
    )


def _made(name: str, folder: Path) -> bool:
    return (folder / f"{name}.json").exists()


if __name__ == "__main__":
    raise SystemExit(main())
