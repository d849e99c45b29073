"""Mach-O -> `Image`."""

from __future__ import annotations

import struct
from pathlib import Path

import lief

from opcheck.errors import ExtractError
from opcheck.extract.image import SLIDE, Arch, Image, Import, Segment

_ARCH: dict[lief.MachO.Header.CPU_TYPE, Arch] = {
    lief.MachO.Header.CPU_TYPE.ARM64: "arm64",
    lief.MachO.Header.CPU_TYPE.X86_64: "x86_64",
}
_MOD_INIT = lief.MachO.Section.TYPE.MOD_INIT_FUNC_POINTERS


def load_macho(path: Path, arch: Arch | None = None) -> Image:
    """The slice for ``arch``; arm64 is preferred when it is not given."""
    config = lief.MachO.ParserConfig()
    # The symbol table has every name we need; the export trie of a TensorFlow core has 600,000.
    config.parse_dyld_exports = False
    fat = lief.MachO.parse(str(path), config)
    slices = {_ARCH[b.header.cpu_type]: b for b in fat or () if b.header.cpu_type in _ARCH}
    wanted = arch or ("arm64" if "arm64" in slices else "x86_64")
    if wanted not in slices:
        raise ExtractError(f"{path.name} has no {wanted} code.")
    binary = slices[wanted]
    segments = tuple(
        Segment(SLIDE + s.virtual_address, s.virtual_size, bytes(s.content))
        for s in binary.segments
        if s.name not in ("__LINKEDIT", "__PAGEZERO") and s.virtual_size
    )
    pointers = tuple(_rebases(binary, segments))
    return Image(
        path=path,
        arch=wanted,
        container="macho",
        segments=segments,
        pointers=pointers,
        imports=tuple(
            Import(SLIDE + b.address, b.symbol.name.removeprefix("_"), b.addend)
            for b in binary.bindings
            if b.has_symbol
        ),
        symbols={
            s.name.removeprefix("_"): SLIDE + s.value
            for s in binary.symbols
            if s.numberof_sections and s.value
        },
        initializers=tuple(_initializers(binary, dict(pointers))),
    )


def _rebases(binary: lief.MachO.Binary, segments: tuple[Segment, ...]) -> list[tuple[int, int]]:
    """Every pointer into the image: its content is an unslid address."""
    found = []
    ordered = sorted(SLIDE + r.address for r in binary.relocations)
    for segment in segments:
        end = segment.address + len(segment.data)
        for address in ordered:
            if segment.address <= address < end:
                (value,) = struct.unpack_from("<Q", segment.data, address - segment.address)
                found.append((address, SLIDE + value))
    return found


def _initializers(binary: lief.MachO.Binary, pointers: dict[int, int]) -> list[int]:
    found = []
    for section in binary.sections:
        if section.type == _MOD_INIT:
            start = SLIDE + section.virtual_address
            found += [pointers[a] for a in range(start, start + section.size, 8)]
    return found
