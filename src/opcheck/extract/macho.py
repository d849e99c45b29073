"""Mach-O -> `Image`."""

from __future__ import annotations

import struct
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import lief

from opcheck.errors import ExtractError
from opcheck.extract.image import Arch, Image, Import, Initializer, Segment

lief.logging.disable()  # what is wrong with a file is said by the error that we raise

_ARCH: dict[lief.MachO.Header.CPU_TYPE, Arch] = {
    lief.MachO.Header.CPU_TYPE.ARM64: "arm64",
    lief.MachO.Header.CPU_TYPE.X86_64: "x86_64",
}
# mach-o/nlist.h: N_EXT; N_STAB and N_TYPE, of which N_SECT is a definition. (N_INDR, of which a
# TensorFlow has thousands, passes on another library's symbol, and its value is no address.)
_EXTERNAL, _KIND, _DEFINITION = 0x01, 0xEE, 0x0E
_MOD_INIT = lief.MachO.Section.TYPE.MOD_INIT_FUNC_POINTERS
_INIT_OFFSETS = lief.MachO.Section.TYPE.INIT_FUNC_OFFSETS


def load_macho(path: Path, arch: Arch | None, slide: int) -> Image:
    """The slice for ``arch``; arm64 is preferred when it is not given."""
    config = lief.MachO.ParserConfig()
    # The symbol table has every name we need; the export trie of a TensorFlow core has 600,000.
    config.parse_dyld_exports = False
    fat = lief.MachO.parse(str(path), config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lief warns of a CPU that it does not know; we refuse it
        slices = {_ARCH[b.header.cpu_type]: b for b in fat or () if b.header.cpu_type in _ARCH}
    wanted = arch or ("arm64" if "arm64" in slices else "x86_64")
    if wanted not in slices:
        raise ExtractError(f"{path.name} has no {arch or 'arm64 or x86_64'} code.")
    binary = slices[wanted]
    segments = tuple(
        # A copy: lief's view dies with its binary.
        Segment(slide + s.virtual_address, s.virtual_size, bytes(s.content))
        for s in binary.segments
        if s.name not in ("__LINKEDIT", "__PAGEZERO") and s.virtual_size
    )
    pointers = tuple(_rebases(binary, segments, slide))
    defined = [
        (_name(s), slide + s.value, s.raw_type & _EXTERNAL)
        for s in binary.symbols
        if s.raw_type & _KIND == _DEFINITION
    ]
    names = {address: name for name, address, _ in defined}
    return Image(
        path=path,
        arch=wanted,
        container="macho",
        slide=slide,
        segments=segments,
        pointers=pointers,
        imports=tuple(
            Import(slide + b.address, _name(b.symbol), b.addend)
            for b in binary.bindings
            if b.symbol is not None
        ),
        symbols={name: address for name, address, external in defined if external},
        local={name: address for name, address, external in defined if not external},
        initializers=tuple(
            Initializer(address, names.get(address, ""))
            for address in _initializers(binary, dict(pointers), slide)
        ),
    )


def _name(symbol: lief.Symbol) -> str:
    """Without the underscore that Mach-O puts before every C name."""
    return str(symbol.name).removeprefix("_")


def _rebases(
    binary: lief.MachO.Binary, segments: tuple[Segment, ...], slide: int
) -> Iterator[tuple[int, int]]:
    """Every pointer into the image itself.

    Either the file holds an unslid address there, or (chained fixups) a link of a chain, which
    lief has followed.
    """
    targets = {
        slide + r.address: r.target if isinstance(r, lief.MachO.RelocationFixup) else None
        for r in binary.relocations
    }
    addresses = sorted(targets)
    for segment in segments:
        first = bisect_left(addresses, segment.address)
        last = bisect_left(addresses, segment.address + len(segment.data))
        for address in addresses[first:last]:
            value = targets[address]
            if value is None:
                (value,) = struct.unpack_from("<Q", segment.data, address - segment.address)
            yield address, slide + value


def _initializers(binary: lief.MachO.Binary, pointers: dict[int, int], slide: int) -> Iterator[int]:
    for section in binary.sections:
        if section.type == _MOD_INIT:
            start = slide + section.virtual_address
            for address in range(start, start + section.size, 8):
                yield pointers[address]
        elif section.type == _INIT_OFFSETS:  # with chained fixups: 32 bits from the image's start
            content = bytes(section.content)
            for (offset,) in struct.iter_unpack("<I", content[: len(content) // 4 * 4]):
                yield slide + binary.imagebase + offset
