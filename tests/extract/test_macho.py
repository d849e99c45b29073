"""Reading Mach-O: what a symbol table says, in a made-up library (mach-o/loader.h, nlist.h)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from opcheck.extract.image import SLIDE
from opcheck.extract.library import load

_SYMBOLS = (  # name, n_type, n_sect, n_value
    (b"_exported", 0x0F, 1, 0x1000),
    (b"_local", 0x0E, 1, 0x1004),
    (b"_hidden", 0x1E, 1, 0x1008),
    (b"_passed_on", 0x0B, 0, 0x0100),  # N_INDR: the value is the place of a name
    (b"_imported", 0x01, 0, 0),
    (b"_debug", 0x2E, 1, 0x100C),  # N_BNSYM, of a debugger's symbols
)


def _segment(name: bytes, address: int, offset: int, size: int, sections: bytes = b"") -> bytes:
    count = len(sections) // 80
    head = struct.pack("<II16s", 0x19, 72 + len(sections), name)
    body = struct.pack("<4Q4I", address, 0x1000, offset, size, 5, 5, count, 0)
    return head + body + sections


@pytest.fixture
def library(tmp_path: Path) -> Path:
    strings, table = b"\0", b""
    for name, kind, section, value in _SYMBOLS:
        table += struct.pack("<IBBHQ", len(strings), kind, section, 0, value)
        strings += name + b"\0"
    section = struct.pack(
        "<16s16s2Q8I", b"__text", b"__TEXT", 0x1000, 16, 0x1000, 2, 0, 0, 0x80000400, 0, 0, 0
    )
    commands = (
        _segment(b"__TEXT", 0, 0, 0x2000, section),
        _segment(b"__LINKEDIT", 0x2000, 0x2000, len(table) + len(strings)),
        struct.pack("<6I", 2, 24, 0x2000, len(_SYMBOLS), 0x2000 + len(table), len(strings)),
    )
    flat = b"".join(commands)
    header = struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 6, len(commands), len(flat), 0, 0)
    path = tmp_path / "made-up.dylib"
    path.write_bytes((header + flat).ljust(0x2000, b"\0") + table + strings)
    return path


def test_a_symbol_is_where_it_is_defined(library: Path) -> None:
    image = load(library)
    assert image.symbols == {"exported": SLIDE + 0x1000}
    assert image.local == {"local": SLIDE + 0x1004, "hidden": SLIDE + 0x1008}
