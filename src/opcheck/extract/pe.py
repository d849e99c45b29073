"""PE -> `Image` (x86-64): a plugin as Windows has it."""

from __future__ import annotations

from pathlib import Path

import lief

from opcheck.errors import ExtractError
from opcheck.extract.image import Image, Import, Segment


def load_pe(path: Path, slide: int) -> Image:
    """The image of a 64-bit DLL.

    Its constructors are left out: they are the C run-time's own, entered by way of ``DllMain``.
    """
    binary = lief.PE.parse(str(path))
    exports = binary.get_export() if binary is not None else None
    if (
        binary is None
        or exports is None
        or binary.header.machine != lief.PE.Header.MACHINE_TYPES.AMD64
    ):
        raise ExtractError(f"{path.name} is not an x86-64 DLL that exports functions.")
    return Image(
        path=path,
        arch="x86_64",
        container="pe",
        slide=slide,
        segments=tuple(
            Segment(slide + s.virtual_address, s.virtual_size, bytes(s.content)[: s.virtual_size])
            for s in binary.sections
        ),
        pointers=_pointers(binary, slide),
        imports=tuple(
            Import(slide + entry.iat_address, str(entry.name))
            for library in binary.imports
            for entry in library.entries
            if not entry.is_ordinal
        ),
        symbols={str(e.name): slide + e.address for e in exports.entries},
        local={},
        initializers=(),
    )


def _pointers(binary: lief.PE.Binary, slide: int) -> tuple[tuple[int, int], ...]:
    """The base relocations: absolute addresses, written for the base that the file prefers."""
    found = []
    for block in binary.relocations:
        for entry in block.entries:
            if entry.type == lief.PE.RelocationEntry.BASE_TYPES.DIR64:
                address = block.virtual_address + entry.position
                raw = binary.get_content_from_virtual_address(address, 8, lief.Binary.VA_TYPES.RVA)
                value = int.from_bytes(bytes(raw), "little") - binary.optional_header.imagebase
                found.append((slide + address, slide + value))
    return tuple(found)
