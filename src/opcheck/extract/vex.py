"""Decodes the vector instructions of x86-64: AVX, which is VEX-encoded, and SSE.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapter 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

LONGEST = 15
"""No instruction has more bytes."""

_LEGACY = {0x66: 1, 0xF3: 2, 0xF2: 3}
_SSE = {
    *range(0x10, 0x18), *range(0x28, 0x30), *range(0x50, 0x80), 0xAE, 0xC2, *range(0xC4, 0xC7),
    *range(0xD0, 0x100),
}  # fmt: skip
_WITH_IMMEDIATE = {0x70, 0x71, 0x72, 0x73, 0xC2, 0xC4, 0xC5, 0xC6}  # of map 1; of map 3 all


class Unsupported(Exception):  # noqa: N818  (the word for it)
    """Not a vector instruction, or none of those that are emulated."""


@dataclass(frozen=True)
class Instruction:
    """``OP reg, other, rm``; ``address`` is None where the last operand is register ``rm``.

    ``key`` is the opcode map (1 for 0F, 2 for 0F38, 3 for 0F3A) and the opcode; ``prefix`` the one
    that SSE writes before it (none, 66, F3, F2); ``double`` means 256 bits. An SSE instruction
    (``avx`` is False) has no ``other``: it stands for ``reg``.
    """

    avx: bool
    key: tuple[int, int]
    prefix: int
    wide: bool
    double: bool
    reg: int
    other: int
    rm: int
    address: int | None
    immediate: bytes
    length: int


def decode(code: bytes, pc: int, register: Callable[[int], int]) -> Instruction:
    """The instruction that ``code``, found at ``pc``, begins with.

    ``register`` reads a general register, by its number. Raises `Unsupported`, or IndexError where
    ``code`` ends too early.
    """
    avx = code[0] in (0xC4, 0xC5)
    prefix, wide, double, other, r, x, b, number, at = _vex(code) if avx else _legacy(code)
    key = (number, code[at])
    at += 1
    has_immediate = number == 3 or (number == 1 and key[1] in _WITH_IMMEDIATE)
    mod, reg, rm = code[at] >> 6, code[at] >> 3 & 7 | r << 3, code[at] & 7
    at += 1
    address = None
    if mod == 3:
        rm |= b << 3
    else:
        address, at = _address(code, at, (mod, rm, x, b), register)
        if mod == 0 and rm == 5:  # relative to the next instruction
            address += pc + at + has_immediate
        address &= 2**64 - 1
    return Instruction(
        avx=avx,
        key=key,
        prefix=prefix,
        wide=wide,
        double=double,
        reg=reg,
        other=other if avx else reg,
        rm=rm,
        address=address,
        immediate=code[at : at + has_immediate],
        length=at + has_immediate,
    )


class _Prefixes(NamedTuple):
    """What stands before an opcode, and where that is."""

    prefix: int
    wide: bool
    double: bool
    other: int
    r: int
    x: int
    b: int
    number: int
    at: int


def _vex(code: bytes) -> _Prefixes:
    if code[0] == 0xC5:
        r, x, b, number, last, at = ~code[1] >> 7 & 1, 0, 0, 1, code[1], 2
    else:
        r, x, b = (~code[1] >> n & 1 for n in (7, 6, 5))
        number, last, at = code[1] & 31, code[2], 3
    if number not in (1, 2, 3):
        raise Unsupported
    wide = code[0] == 0xC4 and bool(last >> 7)
    return _Prefixes(last & 3, wide, bool(last >> 2 & 1), ~last >> 3 & 15, r, x, b, number, at)


def _legacy(code: bytes) -> _Prefixes:
    prefix = at = rex = 0
    while code[at] in _LEGACY:
        prefix = max(prefix, _LEGACY[code[at]])  # F3 and F2 go before 66
        at += 1
    if code[at] >> 4 == 4:
        rex, at = code[at], at + 1
    if code[at] != 0x0F:
        raise Unsupported
    number = {0x38: 2, 0x3A: 3}.get(code[at + 1], 1)
    at += 1 if number == 1 else 2
    if number == 1 and code[at] not in _SSE:
        raise Unsupported
    r, x, b = (rex >> n & 1 for n in (2, 1, 0))
    return _Prefixes(prefix, bool(rex & 8), False, 0, r, x, b, number, at)


def _address(
    code: bytes, at: int, form: tuple[int, int, int, int], register: Callable[[int], int]
) -> tuple[int, int]:
    """The effective address that ModRM ``form`` and what follows give, and where that ends."""
    mod, rm, x, b = form
    base: int | None = rm | b << 3
    total = 0
    if rm == 4:
        scale, index, low = code[at] >> 6, code[at] >> 3 & 7 | x << 3, code[at] & 7
        at += 1
        total = register(index) << scale if index != 4 else 0
        base = low | b << 3 if low != 5 or mod else None
    elif rm == 5 and mod == 0:
        base = None
    size = 4 if base is None else (0, 1, 4)[mod]
    total += int.from_bytes(code[at : at + size], "little", signed=True)
    return total + (0 if base is None else register(base)), at + size
