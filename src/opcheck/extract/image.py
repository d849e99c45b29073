"""A shared library as plain data: what to map, what to patch, what it asks of others.

One small loader per container (`macho`, `elf`, `pe`) turns a file into an `Image`; everything after
that is container-free.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

Arch = Literal["arm64", "x86_64"]
Container = Literal["macho", "elf", "pe"]

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
    container: Container
    slide: int
    segments: tuple[Segment, ...]
    pointers: tuple[tuple[int, int], ...]
    """(address, value): pointers into the image itself."""
    imports: tuple[Import, ...]
    symbols: Mapping[str, int]
    local: Mapping[str, int]
    initializers: tuple[Initializer, ...]
