"""What the static part of the proof sees in made-up code, and what it does not take for a call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from reach import Program, Reach
from registrars import registrar_calls

from opcheck.extract.image import SLIDE, Arch, Image, Import, Segment

DATA = SLIDE + 0x1000
REGISTRAR = "_ZN10tensorflow14kernel_factory17OpKernelRegistrar12InitInternalEv"
STUB = "ff 25 ba 0f 00 00"  # at 0x40: jmp [rip + 0xfba] = DATA


def library(
    parts: Mapping[int, str],
    symbols: Mapping[str, int],
    pointers: tuple[tuple[int, int], ...] = (),
    arch: Arch = "x86_64",
) -> Image:
    """``parts`` is code by its place; the first slot of the data is the registrar's."""
    code = bytearray(0x100)
    for place, text in parts.items():
        raw = bytes.fromhex(text)
        code[place : place + len(raw)] = raw
    return Image(
        path=Path("made-up.dylib"),
        arch=arch,
        container="macho",
        slide=SLIDE,
        segments=(Segment(SLIDE, len(code), bytes(code)), Segment(DATA, 0x100, bytes(0x100))),
        pointers=pointers,
        imports=(Import(DATA, REGISTRAR),),
        symbols={},
        local={name: SLIDE + place for name, place in symbols.items()},
        initializers=(),
    )


def reach(image: Image) -> Reach:
    return Program([image]).reach(SLIDE)


CALL = {0x00: "e8 3b 00 00 00 c3", 0x40: STUB}  # call 0x40
DEEP = {0x00: "74 01 c3 e9 18 00 00 00", 0x20: "e8 1b 00 00 00 c3", 0x40: STUB}  # jmp 0x20 first
TAKEN = {0x00: "48 8d 05 19 00 00 00 c3", 0x20: "e9 1b 00 00 00", 0x40: STUB}  # lea rax, 0x20
SLOT = {0x00: "ff 15 0a 10 00 00 c3", 0x20: "e9 1b 00 00 00", 0x40: STUB}  # call [DATA + 0x10]
NAMES = {"initializer": 0x00, "helper": 0x20, "stub": 0x40, "end": 0x60}


@pytest.mark.parametrize("parts", [CALL, DEEP, TAKEN])
def test_a_builder_is_reached(parts: Mapping[int, str]) -> None:
    assert reach(library(parts, NAMES)).builders == (REGISTRAR,)


def test_a_builder_is_reached_through_a_pointer() -> None:
    found = reach(library(SLOT, NAMES, pointers=((DATA + 0x10, SLIDE + 0x20),)))
    assert (found.builders, found.functions) == ((REGISTRAR,), 2)


@pytest.mark.parametrize(
    "parts",
    [
        {**CALL, 0x00: "c3"},
        {**CALL, 0x00: "e8 1b 00 00 00 c3", 0x20: "c3"},  # it calls another function
        {**CALL, 0x00: "b8 e8 3b 00 00 c3"},  # mov eax, which has the bytes of no call
    ],
)
def test_no_builder_is_reached(parts: Mapping[int, str]) -> None:
    assert reach(library(parts, NAMES)).builders == ()


def test_every_call_of_the_registrar_is_found() -> None:
    code = {0x10: "e8 2b 00 00 00", 0x20: "ff 15 da 0f 00 00", 0x31: "e8 0a 00 00 00", 0x40: STUB}
    calls = registrar_calls(library(code, NAMES))
    assert calls == {SLIDE + 0x15, SLIDE + 0x26, SLIDE + 0x36}


def test_every_call_of_the_registrar_is_found_on_arm64() -> None:
    # bl 0x40; bl 0x20, an island: b 0x40; at 0x40 a stub: adrp x16, DATA; ldr x16, [x16]; br x16
    code = {
        0x00: "10 00 00 94",
        0x04: "07 00 00 94",
        0x08: "02 00 00 94",  # bl 0x10: no registrar
        0x20: "08 00 00 14",
        0x40: "10 00 00 b0 10 02 40 f9 00 02 1f d6",
    }
    calls = registrar_calls(library(code, NAMES, arch="arm64"))
    assert calls == {SLIDE + 0x04, SLIDE + 0x08}
