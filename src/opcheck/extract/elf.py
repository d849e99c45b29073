"""ELF -> `Image` (x86-64 and AArch64)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import lief

from opcheck.errors import ExtractError
from opcheck.extract.image import Arch, Image, Import, Initializer, Segment

lief.logging.disable()  # what is wrong with a file is said by the error that we raise

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


def load_elf(path: Path, slide: int) -> Image:
    """The image of a 64-bit little-endian shared object."""
    binary = lief.ELF.parse(str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lief warns of a CPU that it does not know; we refuse it
        arch = _ARCH.get(binary.header.machine_type) if binary else None
    if binary is None or arch is None:
        raise ExtractError(f"{path.name} is not an x86-64 or AArch64 ELF library.")
    pointers: list[tuple[int, int]] = []
    imports: list[Import] = []
    for r in binary.relocations:
        if r.type in _RELATIVE:
            pointers.append((slide + r.address, slide + r.addend))
        elif r.type in _SYMBOLIC and r.symbol is not None:
            imports.append(Import(slide + r.address, str(r.symbol.name), r.addend))
    exported = _defined(binary.dynamic_symbols, slide)
    local = _defined(binary.symtab_symbols, slide)
    names = {address: name for name, address in (exported | local).items()}
    return Image(
        path=path,
        arch=arch,
        container="elf",
        slide=slide,
        segments=tuple(
            # A copy: lief's view dies with its binary.
            Segment(slide + s.virtual_address, s.virtual_size, bytes(s.content))
            for s in binary.segments
            if s.type == lief.ELF.Segment.TYPE.LOAD
        ),
        pointers=tuple(pointers),
        imports=tuple(imports),
        symbols=exported,
        local={name: address for name, address in local.items() if name not in exported},
        initializers=tuple(
            Initializer(address, names.get(address, ""))
            for address in _initializers(binary, dict(pointers), slide)
        ),
    )


def _defined(symbols: Iterable[lief.ELF.Symbol], slide: int) -> dict[str, int]:
    return {str(s.name): slide + s.value for s in symbols if s.shndx and s.value}


def _initializers(binary: lief.ELF.Binary, pointers: dict[int, int], slide: int) -> Iterator[int]:
    """DT_INIT_ARRAY, whose entries are relative relocations (or, without one, plain)."""
    entries = {e.tag: e.value for e in binary.dynamic_entries}
    start = entries.get(_TAG.INIT_ARRAY, 0)
    for address in range(start, start + entries.get(_TAG.INIT_ARRAYSZ, 0), 8):
        if slide + address in pointers:
            yield pointers[slide + address]
            continue
        plain = int.from_bytes(bytes(binary.get_content_from_virtual_address(address, 8)), "little")
        if plain not in (0, 2**64 - 1):
            yield slide + plain
