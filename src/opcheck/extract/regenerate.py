"""Rewrites ``targets/data`` from the wheels of the manifest, byte for byte.

    python -m opcheck.extract.regenerate [NAME ...]

With names, only those data files are made again; the index always is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import msgspec

from opcheck.errors import ExtractError
from opcheck.extract import wheels
from opcheck.extract.core import LibraryFacts, extract_core
from opcheck.extract.manifest import CoreRow, PluginRow, manifest
from opcheck.extract.plugin import extract_plugin
from opcheck.targets import store
from opcheck.targets.index import DATA, INDEX, Index
from opcheck.targets.store import PluginTraits, Provenance, RegistryFile
from opcheck.targets.target import TargetInfo

CORE_DEVICES = ("CPU", "GPU", "DEFAULT")
"""A check never asks for kernels of XLA's devices or of TPUs."""

GENERATED_BY = "python -m opcheck.extract.regenerate"


def main(argv: Sequence[str] | None = None) -> int:
    """The command; errors go to standard error with exit code 2."""
    names = sys.argv[1:] if argv is None else list(argv)
    known: list[CoreRow | PluginRow] = [*manifest().core, *manifest().plugin]
    rows = {row.name: row for row in known}
    unknown = [n for n in names if n not in rows]
    if unknown:
        print(f"The manifest has no {unknown[0]}; it has {', '.join(rows)}.", file=sys.stderr)
        return 3
    try:
        for name in names or rows:
            start = time.perf_counter()
            registry = _recover(rows[name])
            store.write(DATA / f"{name}.json", registry)
            kernels = sum(s.kernels for s in registry.sources)
            seconds = time.perf_counter() - start
            print(f"{name}: {len(registry.ops)} ops, {kernels} kernels, {seconds:.1f} s")
        _write_index()
    except ExtractError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _recover(row: CoreRow | PluginRow) -> RegistryFile:
    return _plugin(row) if isinstance(row, PluginRow) else _core(row)


def _plugin(row: PluginRow) -> RegistryFile:
    wheel = wheels.fetch(row.wheel, row.sha256)
    member = wheels.plugin_library(wheel)
    with wheels.unpacked(wheel, [member]) as (library,):
        facts = extract_plugin(library, tensorflow=row.tensorflow)
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
    )


def _core(row: CoreRow) -> RegistryFile:
    wheel = wheels.fetch(row.wheel, row.sha256)
    members = wheels.core_libraries(wheel)
    with wheels.unpacked(wheel, members) as paths:
        libraries = extract_core(paths)
    sources, kernels = [], []
    for member, library in zip(members, libraries, strict=True):
        _check(member, library, row.abandoned)
        ours = [k for k in library.kernels if k.device in CORE_DEVICES]
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
        arch=libraries[0].arch,
        sources=tuple(sources),
        plugin=None,
        ops=store.group(kernels),
        without_kernels=tuple(sorted(wheels.op_names(wheel) - {k.op for k in kernels})),
    )


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


def _write_index() -> None:
    """One entry per plugin of the manifest, with what its data files say about themselves.

    A plugin without its own core is no target: another TensorFlow's would answer for it.
    """
    targets = tuple(_info(row) for row in manifest().plugin if all(map(_made, _files(row))))
    index = Index(schema=store.SCHEMA, generated_by=GENERATED_BY, targets=targets)
    text = msgspec.json.format(msgspec.json.encode(index), indent=2).decode()
    INDEX.write_text(text + "\n", encoding="utf-8", newline="\n")


def _info(row: PluginRow) -> TargetInfo:
    names = _files(row)
    files = [store.read(DATA / f"{name}.json") for name in names]
    return TargetInfo(
        plugin=row.plugin,
        version=row.version,
        full_version=files[0].version,
        distribution=files[0].distribution,
        arch=row.arch,
        os_versions=_os_versions(row, files[0]),
        tensorflow=row.tensorflow,
        tensorflow_supported=row.tensorflow_supported,
        keras_major=row.keras_major,
        registries=names,
        provenance=tuple(s for f in files for s in f.sources),
        pairing_source=row.pairing_source,
    )


def _files(row: PluginRow) -> tuple[str, str]:
    return row.name, row.core


def _made(name: str) -> bool:
    return (DATA / f"{name}.json").exists()


def _os_versions(row: PluginRow, plugin: RegistryFile) -> tuple[str, ...]:
    """The macOS branches, newest first: the wheel's own minimum and every version that a
    kernel requires."""
    if "-macosx_" not in row.wheel:
        return ()
    versions = {int(row.wheel.split("-macosx_")[1].split("_")[0])}
    for kernel in plugin.kernels():
        versions |= {int(v.strip("<>=")) for what, v in kernel.requires if what == "macos"}
    return tuple(str(v) for v in sorted(versions, reverse=True))


if __name__ == "__main__":
    raise SystemExit(main())
