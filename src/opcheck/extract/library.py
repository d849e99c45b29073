"""Opens a shared library, whatever its format, as an `Image`."""

from __future__ import annotations

import struct
from pathlib import Path

from opcheck.errors import ExtractError
from opcheck.extract.elf import load_elf
from opcheck.extract.image import SLIDE, Arch, Image
from opcheck.extract.macho import load_macho
from opcheck.extract.pe import load_pe


def load(path: Path, arch: Arch | None = None, slide: int = SLIDE) -> Image:
    """The image of a .dylib, .so or .dll; ``arch`` picks a slice of a universal library."""
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
    if magic == b"\x7fELF":
        return load_elf(path, slide)
    if magic[:2] == b"MZ":
        return load_pe(path, slide)
    if magic in (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        return load_macho(path, arch, slide)
    raise ExtractError(
        f"{path.name} is not a shared library that opcheck can read.",
        hint="Give it a 64-bit plugin (.dylib, .so or .dll), or a wheel that holds one.",
    )
