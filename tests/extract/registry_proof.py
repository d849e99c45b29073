"""Regenerates every shipped registry, proves it complete, records how: registry_proof.json.

    nox -s registry_proof                what the record lacks, or has of another file than ships
    nox -s registry_proof -- NAME ...    these
    nox -s registry_proof -- --all       everything again: half an hour on a quiet machine
    nox -s registry_proof -- --write     also writes the file of a row that is new

Each file must come out byte for byte as it ships. Of each TensorFlow for macOS each call of the
kernel registrar in its code must have been run, and an initializer that emulation abandoned must
be unable to come to the kernel builder. What is for Linux must equal what a TensorFlow that is
installed and asked has. A row that fails is printed and not recorded.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "shared"))

import live
from proof_record import LibraryProof, Proof, Stopped, record, recorded
from reach import Program
from registrars import calls_at_loading

from opcheck.errors import OpcheckError
from opcheck.extract import regenerate, wheels
from opcheck.extract.core import Abandoned, LibraryFacts, load_together, run_initializers
from opcheck.extract.image import Image
from opcheck.extract.library import load
from opcheck.extract.manifest import CoreRow, PluginRow, manifest
from opcheck.extract.plugin import extract_plugin
from opcheck.targets import KernelDef
from opcheck.targets.index import DATA
from opcheck.targets.store import RegistryFile

_OF_TENSORFLOW = re.compile(r"(TF|TP|SE|SP|TSL)_|.*(10tensorflow|3tsl|4absl|6google8protobuf)")
_REGISTERS = (b"OpKernelRegistrar", b"TF_RegisterKernelBuilder")


class Unproven(Exception):  # noqa: N818
    """What does not hold."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--write", action="store_true", help="into targets/data, what is new")
    options = parser.parse_args(argv)
    rows = {row.name: row for row in regenerate.rows()}
    proven = {} if options.all else {n: p for n, p in recorded().items() if _is_shipped(n, p)}
    wanted = options.names or [name for name in (*rows, *live.CORES) if name not in proven]
    failed = 0
    for name in dict.fromkeys(wanted):
        start = time.perf_counter()
        try:
            with tempfile.TemporaryDirectory(prefix="opcheck-") as folder:
                if name in rows:
                    proof = prove(rows[name], Path(folder), write=options.write)
                else:
                    proof = _beside(name, Path(folder))
        except (Unproven, OpcheckError) as problem:
            print(f"{name}: NOT PROVEN: {problem}", flush=True)
            failed += 1
        else:
            record({**recorded(), name: proof})
            print(
                f"{name}: {proof.kernels} kernels, {time.perf_counter() - start:.0f} s", flush=True
            )
    return int(failed > 0)


def prove(row: CoreRow | PluginRow, folder: Path, *, write: bool = False) -> Proof:
    """`Unproven` where something does not hold; ``folder`` is for files. ``write`` ships the file
    where none is shipped."""
    wheel = wheels.fetch(row.wheel, row.sha256)
    images: tuple[Image, ...] = ()
    libraries: tuple[LibraryProof, ...] = ()
    found: int | None = None
    if isinstance(row, PluginRow) and row.device is None:
        registry = regenerate.recover(row)
        if row.plugin == "directml":
            found = _live_plugin(row, wheel)
    elif "-macos-" in row.name:
        images, facts = _run(wheel)
        registry = regenerate.of_tensorflow(row, facts)
        libraries = _libraries(images, facts)
    else:
        registry = regenerate.of_tensorflow(row, _facts(wheel))
        if row.name in live.CORES:
            found = _equal_live(row.name, _facts(wheel), folder)
    if write and not (DATA / f"{row.name}.json").exists():
        regenerate.write(row.name, registry, DATA)
    return Proof(
        wheel=row.wheel,
        sha256=row.sha256,
        data=_same_file(row.name, registry, folder),
        kernels=sum(source.kernels for source in registry.sources),
        libraries=libraries,
        not_loaded=_not_loaded(wheel) if libraries else (),
        links=_links(images) if libraries else (),
        live=found,
    )


def _beside(name: str, folder: Path) -> Proof:
    """Of a TensorFlow that is not shipped."""
    published = live.CORES[name]
    wheel = wheels.fetch(published.wheel, published.sha256)
    found = _equal_live(name, _facts(wheel), folder)
    return Proof(published.wheel, published.sha256, "", found, live=found)


def _run(wheel: Path) -> tuple[tuple[Image, ...], dict[str, LibraryFacts]]:
    members = wheels.core_libraries(wheel)
    with wheels.unpacked(wheel, members) as paths:
        images = load_together(paths)
    return images, dict(zip(members, run_initializers(images), strict=True))


@cache
def _facts(wheel: Path) -> dict[str, LibraryFacts]:
    """Of one for Linux; one that has DirectML built in makes two files."""
    return _run(wheel)[1]


def _libraries(images: Sequence[Image], facts: dict[str, LibraryFacts]) -> tuple[LibraryProof, ...]:
    found = []
    program = Program(images if any(library.abandoned for library in facts.values()) else ())
    for image, (member, library) in zip(images, facts.items(), strict=True):
        calls, later = calls_at_loading(image)
        run = Counter(library.calls)
        if missed := {calls[call] for call in calls.keys() - run.keys()}:
            raise Unproven(f"{member}: calls of the registrar that did not run: {sorted(missed)}")
        if unseen := run.keys() - calls.keys():
            raise Unproven(f"{member}: {len(unseen)} kernels came from calls that are not found")
        if again := [call for call, times in run.items() if times > 1]:
            raise Unproven(f"{member}: {len(again)} calls of the registrar were run again")
        found.append(
            LibraryProof(
                member=member,
                initializers=library.initializers,
                calls=len(calls),
                kernels=len(library.kernels),
                calls_later=dict(sorted(later.items())),
                abandoned=tuple(_stopped(program, image, a) for a in library.abandoned),
            )
        )
    return tuple(found)


def _stopped(program: Program, image: Image, abandoned: Abandoned) -> Stopped:
    found = program.reach(image.slide + abandoned.address)
    if found.builders:
        raise Unproven(f"{abandoned.label} comes to {', '.join(found.builders)}")
    return Stopped(abandoned.label, abandoned.reason, found.functions, found.instructions)


def _not_loaded(wheel: Path) -> tuple[str, ...]:
    """The libraries that name the registrar and are not among those that are loaded, nor copies."""
    loaded = wheels.core_libraries(wheel)
    with zipfile.ZipFile(wheel) as archive:
        same = {archive.getinfo(member).CRC for member in loaded}
        others = [m for m in wheels.libraries(wheel) if archive.getinfo(m).CRC not in same]
        return tuple(m for m in others if any(name in archive.read(m) for name in _REGISTERS))


def _links(images: Sequence[Image]) -> tuple[str, ...]:
    """The plugins that find every function and variable of TensorFlow that they ask for."""
    there = {name for image in images for name in image.symbols}
    plugins = [row for row in manifest().plugin if row.arch == images[0].arch]
    return tuple(row.name for row in plugins if _asks_for(row) <= there)


@cache
def _asks_for(row: PluginRow) -> frozenset[str]:
    wheel = wheels.fetch(row.wheel, row.sha256)
    with wheels.unpacked(wheel, [wheels.plugin_library(wheel)]) as (library,):
        image = load(library, row.arch)
    others = {i.symbol for i in image.imports} - image.symbols.keys() - image.local.keys()
    return frozenset(name for name in others if _OF_TENSORFLOW.match(name))


def _equal_live(name: str, facts: dict[str, LibraryFacts], folder: Path) -> int:
    emulated = Counter(kernel for library in facts.values() for kernel in library.kernels)
    return _equal(emulated, live.of_tensorflow(name, folder))


def _live_plugin(row: PluginRow, wheel: Path) -> int:
    with wheels.unpacked(wheel, [wheels.plugin_library(wheel)]) as (library,):
        emulated = Counter(extract_plugin(library).kernels)
        return _equal(emulated, live.of_plugin(library, row.pairing[0].core))


def _equal(emulated: Counter[KernelDef], there: Counter[KernelDef]) -> int:
    if emulated != there:
        missing, more = (there - emulated).total(), (emulated - there).total()
        raise Unproven(f"a running TensorFlow has {missing} kernels more, and lacks {more}")
    return there.total()


def _same_file(name: str, registry: RegistryFile, folder: Path) -> str:
    """The sha256 of the file that is written, which must be the shipped one."""
    if registry.base is not None:
        base = f"{registry.base}.json"
        (folder / base).write_bytes((DATA / base).read_bytes())
    regenerate.write(name, registry, folder)
    if (found := _sha256(folder / f"{name}.json")) != _sha256(DATA / f"{name}.json"):
        raise Unproven("the file that is written is not the shipped one")
    return found


def _is_shipped(name: str, proof: Proof) -> bool:
    path = DATA / f"{name}.json"
    return proof.data == (_sha256(path) if path.exists() else "")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
