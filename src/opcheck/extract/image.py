"""A shared library as plain data: what to map, what to patch, what it asks of others.

One small loader per container (`macho`, `elf`) turns a file into an `Image`; everything after
that is container-free.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from opcheck.errors import ExtractError

Arch = Literal["arm64", "x86_64"]

SLIDE = 0x1_0000_0000
"""Where address 0 of a file is mapped; never at 0, so that null pointers stay unmapped."""


class Segment(msgspec.Struct, frozen=True):
    """``data`` at ``address`` (slid), followed by zeros up to ``size``."""

    address: int
    size: int
    data: bytes


class Import(msgspec.Struct, frozen=True):
    """The pointer at ``address`` must become the address of ``symbol`` plus ``addend``."""

    address: int
    symbol: str
    addend: int = 0


class Initializer(msgspec.Struct, frozen=True):
    """A constructor that a loader would run; ``name`` is empty where the library is stripped."""

    address: int
    name: str


class Image(msgspec.Struct, frozen=True):
    """All addresses are slid; names have no Mach-O underscore.

    ``symbols`` are the exports, ``local`` the other names that the library was left with.
    """

    path: Path
    arch: Arch
    container: Literal["macho", "elf"]
    slide: int
    segments: tuple[Segment, ...]
    pointers: tuple[tuple[int, int], ...]
    """(address, value): pointers into the image itself."""
    imports: tuple[Import, ...]
    symbols: Mapping[str, int]
    local: Mapping[str, int]
    initializers: tuple[Initializer, ...]


def load(path: Path, arch: Arch | None = None, slide: int = SLIDE) -> Image:
    """The image of a .dylib or .so; ``arch`` picks a slice of a universal library."""
    try:
        image = _load(path, arch, slide)
    except (ValueError, LookupError, ArithmeticError, struct.error) as error:
        raise ExtractError(f"{path.name} is damaged: {error}.") from None
    if not image.segments:
        raise ExtractError(f"{path.name} holds no code.")
    return image


def _load(path: Path, arch: Arch | None, slide: int) -> Image:
    with path.open("rb") as file:
        magic = file.read(4)
    # The loaders need lief: imported here so that this module's types do not.
    if magic == b"\x7fELF":
        from opcheck.extract.elf import load_elf

        return load_elf(path, slide)
    if magic in (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        from opcheck.extract.macho import load_macho

        return load_macho(path, arch, slide)
    raise ExtractError(
        f"{path.name} is not a shared library that opcheck can read.",
        hint="Give it a 64-bit Mach-O (.dylib) or ELF (.so) plugin, or a wheel that holds one.",
    )
