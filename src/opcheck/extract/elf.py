"""ELF -> `Image` (x86-64 and AArch64)."""

from __future__ import annotations

import struct
from pathlib import Path

import lief

from opcheck.errors import ExtractError
from opcheck.extract.image import SLIDE, Arch, Image, Import, Segment

_ARCH: dict[lief.ELF.ARCH, Arch] = {
    lief.ELF.ARCH.AARCH64: "arm64",
    lief.ELF.ARCH.X86_64: "x86_64",
}
_TYPE = lief.ELF.Relocation.TYPE
_RELATIVE = {_TYPE.X86_64_RELATIVE, _TYPE.AARCH64_RELATIVE}
_SYMBOLIC = {
    _TYPE.X86_64_64, _TYPE.X86_64_GLOB_DAT, _TYPE.X86_64_JUMP_SLOT,
    _TYPE.AARCH64_ABS64, _TYPE.AARCH64_GLOB_DAT, _TYPE.AARCH64_JUMP_SLOT,
}  # fmt: skip
_TAG = lief.ELF.DynamicEntry.TAG


def load_elf(path: Path) -> Image:
    """The image of a 64-bit little-endian shared object."""
    binary = lief.ELF.parse(str(path))
    if binary is None or binary.header.machine_type not in _ARCH:
        raise ExtractError(f"{path.name} is not an x86-64 or AArch64 ELF library.")
    segments = tuple(
        Segment(SLIDE + s.virtual_address, s.virtual_size, bytes(s.content))
        for s in binary.segments
        if s.type == lief.ELF.Segment.TYPE.LOAD
    )
    pointers: list[tuple[int, int]] = []
    imports: list[Import] = []
    for r in binary.relocations:
        if r.type in _RELATIVE:
            pointers.append((SLIDE + r.address, SLIDE + r.addend))
        elif r.type in _SYMBOLIC and r.symbol is not None:
            imports.append(Import(SLIDE + r.address, r.symbol.name, r.addend))
    return Image(
        path=path,
        arch=_ARCH[binary.header.machine_type],
        container="elf",
        segments=segments,
        pointers=tuple(pointers),
        imports=tuple(imports),
        symbols={s.name: SLIDE + s.value for s in binary.symbols if s.shndx and s.value and s.name},
        initializers=tuple(_initializers(binary, dict(pointers))),
    )


def _initializers(binary: lief.ELF.Binary, pointers: dict[int, int]) -> list[int]:
    """DT_INIT_ARRAY; its entries are relative relocations."""
    entries = {e.tag: e.value for e in binary.dynamic_entries}
    if _TAG.INIT_ARRAY not in entries:
        return []
    start = SLIDE + entries[_TAG.INIT_ARRAY]
    found = []
    for address in range(start, start + entries[_TAG.INIT_ARRAYSZ], 8):
        if address in pointers:
            found.append(pointers[address])
            continue
        (value,) = struct.unpack(
            "<Q", bytes(binary.get_content_from_virtual_address(address - SLIDE, 8))
        )
        if value not in (0, 2**64 - 1):
            found.append(SLIDE + value)
    return found
