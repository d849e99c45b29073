"""The vector unit of the emulated x86-64: Unicorn has SSE only, and would run AVX as if it were.

So SSE is switched off, which makes every vector instruction stop at `Avx.step`. It is run as the
SSE instruction that it is or extends, once for each 128-bit lane, on a second CPU that holds
nothing else. That is what AVX does, but for the few instructions that move data between lanes.
Those that are not here (FMA, gathers, AVX-512, conversions to or from 256 bits) stay refused;
VZEROUPPER does nothing, since no code reads what it clears.
Static initializers are short: one instruction in 150 is a vector one.
"""

# Unicorn's Python binding has no annotations.
# mypy: disable-error-code="no-untyped-call, attr-defined, name-defined, no-any-return"

from __future__ import annotations

from dataclasses import dataclass

import unicorn
from unicorn import x86_const as x86

from opcheck.extract.vex import LONGEST, Instruction, Unsupported, decode

_LOW = ("RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI")
_GENERAL = [getattr(x86, f"UC_X86_REG_{name}") for name in _LOW]
_GENERAL += [getattr(x86, f"UC_X86_REG_R{n}") for n in range(8, 16)]
_VECTOR = [getattr(x86, f"UC_X86_REG_YMM{n}") for n in range(16)]
_LANE = (1 << 128) - 1
_PREFIX = (b"", b"\x66", b"\xf3", b"\xf2")
_MAP = {1: b"\x0f", 2: b"\x0f\x38", 3: b"\x0f\x3a"}

# Instructions by (opcode map, opcode), as in `Instruction.key`.
_MOVE, _LOAD_QUAD = (1, 0x11), (1, 0x7E)
_EXTRACTS = {(3, o) for o in (0x14, 0x15, 0x16, 0x17)}
_STORES = {(1, o) for o in (0x11, 0x13, 0x17, 0x29, 0x2B, 0x7E, 0x7F, 0xD6, 0xE7)} | _EXTRACTS
_COMPARISONS = {(1, 0x2E), (1, 0x2F), (2, 0x17)}
_GENERAL_RM = {(1, 0x2A), (1, 0x6E), (1, 0x7E), (1, 0xC4), (3, 0x20), (3, 0x22)} | _EXTRACTS
_GENERAL_REG = {(1, 0x2C), (1, 0x2D), (1, 0x50), (1, 0xC5), (1, 0xD7)}
_SHIFTS = {(1, 0x71), (1, 0x72), (1, 0x73)}  # by an immediate; `other` is where the result goes
_NOT_BY_LANE = {(1, 0x50), (1, 0x5A), (1, 0xD7), (1, 0xE6)} | {
    (2, o) for o in (*range(0x20, 0x26), *range(0x30, 0x36))
}
_NO_SSE_TWIN = (
    {(1, o) for o in (*range(0x41, 0x4C), *range(0x90, 0x9A))}
    | {
        (2, o)
        for o in (*range(0x0C, 0x10), 0x13, 0x16, 0x36, *range(0x45, 0xDB), *range(0xE0, 256))
    }
    | {(3, o) for o in (*range(0x08), 0x4A, 0x4B, 0x4C, *range(0x60, 256))}
)
_BROADCASTS = {
    (2, 0x18): 4, (2, 0x19): 8, (2, 0x1A): 16, (2, 0x58): 4, (2, 0x59): 8, (2, 0x5A): 16,
    (2, 0x78): 1, (2, 0x79): 2,
}  # fmt: skip
_INSERTS, _EXTRACT_LANES = {(3, 0x18), (3, 0x38)}, {(3, 0x19), (3, 0x39)}
_PERMUTE_LANES = {(3, 0x06), (3, 0x46)}
_PERMUTES = {(3, 0x04): 4, (3, 0x05): 8}  # by an immediate: VPERMILPS, VPERMILPD
_CONTROL = (1, 0xAE)  # LDMXCSR, STMXCSR
_SHLX = (2, 0xF7)  # a shift of general registers; alone of its kind it goes with SSE
_OSFXSR = 1 << 9


class Avx:
    """The vector unit of ``uc``."""

    def __init__(self, uc: unicorn.Uc) -> None:
        self._uc = uc
        self._sse = _Sse()
        uc.reg_write(x86.UC_X86_REG_CR4, uc.reg_read(x86.UC_X86_REG_CR4) & ~_OSFXSR)
        uc.hook_add(unicorn.UC_HOOK_INSN_INVALID, lambda _uc, _data: self.step())

    def step(self) -> bool:
        """Run the instruction at the program counter; False if it is none of ours."""
        pc = self._uc.reg_read(x86.UC_X86_REG_RIP)
        try:
            found = decode(self._read(pc, LONGEST), pc, self._general)
            self._execute(found)
        except (Unsupported, unicorn.UcError, IndexError):
            return False
        self._uc.reg_write(x86.UC_X86_REG_RIP, pc + found.length)
        return True

    def _execute(self, i: Instruction) -> None:
        if i.key == _CONTROL:
            self._control(i)
        elif not i.avx:
            self._by_lane(i)
        elif i.key == _SHLX and i.prefix == 1:
            bits = 64 if i.wide else 32
            source = self._general(i.rm) if i.address is None else self._operand(i, bits // 8)
            shifted = source << (self._general(i.other) & (bits - 1))
            self._uc.reg_write(_GENERAL[i.reg], shifted & ((1 << bits) - 1))
        elif i.key in _BROADCASTS:
            size = _BROADCASTS[i.key]
            count = (32 if i.double else 16) // size
            value = self._operand(i, size).to_bytes(size, "little")
            self._set_vector(i.reg, int.from_bytes(value * count, "little"))
        elif i.key in _INSERTS:
            high = i.immediate[0] & 1
            kept = self._vector(i.other) & (_LANE << 128 * (1 - high))
            self._set_vector(i.reg, kept | self._operand(i, 16) << 128 * high)
        elif i.key in _EXTRACT_LANES:
            self._extract_lane(i, self._vector(i.reg) >> 128 * (i.immediate[0] & 1) & _LANE)
        elif i.key in _PERMUTES:
            self._set_vector(i.reg, self._permuted(i, _PERMUTES[i.key]))
        elif i.key in _PERMUTE_LANES:
            both = self._vector(i.other) | self._operand(i, 32) << 256
            lanes = [i.immediate[0] >> shift & 15 for shift in (0, 4)]
            low, high = (0 if n & 8 else both >> 128 * (n & 3) & _LANE for n in lanes)
            self._set_vector(i.reg, low | high << 128)
        elif i.key in _NO_SSE_TWIN or (i.double and i.key in _NOT_BY_LANE):
            raise Unsupported
        else:
            self._by_lane(i)

    def _extract_lane(self, i: Instruction, lane: int) -> None:
        if i.address is None:
            self._set_vector(i.rm, lane)
        else:
            self._uc.mem_write(i.address, lane.to_bytes(16, "little"))

    def _permuted(self, i: Instruction, size: int) -> int:
        """The elements of ``size`` bytes of the last operand, chosen within their lane."""
        source, count = self._operand(i, 32 if i.double else 16), 16 // size
        result = 0
        for position in range(count * (1 + i.double)):
            lane, place = divmod(position, count)
            shift = 2 * place if size == 4 else position
            choice = lane * count + (i.immediate[0] >> shift & (count - 1))
            result |= (source >> 8 * size * choice & (1 << 8 * size) - 1) << 8 * size * position
        return result

    def _by_lane(self, i: Instruction) -> None:
        """As the SSE instruction of the same opcode, which writes over its first operand."""
        loads_quad = i.key == _LOAD_QUAD and i.prefix == 2  # the one load among the stores
        stores = i.key in _STORES and not loads_quad
        # VMOVSS and VMOVSD between registers take the upper part from `other`: a load's meaning.
        merges = i.avx and i.key == _MOVE and i.prefix >= 2 and i.address is None
        general_rm = i.key in _GENERAL_RM and not loads_quad and i.address is None
        shifts, general_reg = i.key in _SHIFTS, i.key in _GENERAL_REG
        first = i.reg if (stores and not merges) or i.key in _COMPARISONS else i.other
        opcode = bytes([0x10 if merges else i.key[1]])
        rm = _RM_MEMORY if i.address is not None else _RM_GENERAL if general_rm else _RM_VECTOR
        modrm = rm | (i.reg & 7 if shifts else _REG_GENERAL if general_reg else 0) << 3
        code = _PREFIX[i.prefix] + (b"\x48" if i.wide else b"") + _MAP[i.key[0]] + opcode
        code += bytes([modrm]) + i.immediate
        vector, flags = 0, -1
        for lane in (0, 1) if i.double else (0,):
            memory = b"" if i.address is None else self._read(i.address + 16 * lane, 16)
            after = self._sse.run(
                code,
                first=self._vector(first) >> 128 * lane & _LANE,
                second=self._vector(i.reg if merges else i.rm) >> 128 * lane & _LANE,
                general=self._general(i.rm),
                memory=memory,
            )
            if stores and i.address is not None:
                self._uc.mem_write(i.address + 16 * lane, after.memory[: len(memory)])
            flags &= after.flags  # VPTEST: zero, or covered, is what both lanes are
            in_second = shifts or (stores and not merges)
            vector |= (after.second if in_second else after.first) << 128 * lane
        if i.key in _COMPARISONS:
            self._uc.reg_write(x86.UC_X86_REG_EFLAGS, flags)
        elif general_reg:
            self._uc.reg_write(_GENERAL[i.reg], after.general_reg)
        elif stores and general_rm:
            self._uc.reg_write(_GENERAL[i.rm], after.general_rm)
        elif not (stores and i.address is not None):
            to = i.rm if stores or (shifts and not i.avx) else i.other if shifts else i.reg
            # AVX clears what it does not write, SSE leaves it.
            self._set_vector(to, vector if i.avx else vector | self._vector(to) & ~_LANE)

    def _control(self, i: Instruction) -> None:
        """How to round and what to trap: always the default."""
        if i.address is None or i.reg & 7 not in (2, 3):
            raise Unsupported
        if i.reg & 7 == 3:
            self._uc.mem_write(i.address, (0x1F80).to_bytes(4, "little"))

    def _general(self, number: int) -> int:
        return self._uc.reg_read(_GENERAL[number])

    def _vector(self, number: int) -> int:
        return self._uc.reg_read(_VECTOR[number])

    def _set_vector(self, number: int, value: int) -> None:
        self._uc.reg_write(_VECTOR[number], value)

    def _operand(self, i: Instruction, size: int) -> int:
        """The low ``size`` bytes of the last operand."""
        if i.address is None:
            return self._vector(i.rm) & ((1 << 8 * size) - 1)
        return int.from_bytes(self._uc.mem_read(i.address, size), "little")

    def _read(self, address: int, most: int) -> bytes:
        """``most`` bytes, or those before the end of the mapped memory (at least one)."""
        for size in range(most, 1, -1):
            try:
                return bytes(self._uc.mem_read(address, size))
            except unicorn.UcError:
                continue
        return bytes(self._uc.mem_read(address, 1))


# The operands of an instruction for `_Sse`: the first is xmm0 or rcx, the other xmm1, rdx or [rbx].
_REG_GENERAL = 1
_RM_VECTOR, _RM_GENERAL, _RM_MEMORY = 0xC1, 0xC2, 0x03


@dataclass(frozen=True)
class _After:
    """What an instruction left behind."""

    first: int
    second: int
    general_reg: int
    general_rm: int
    memory: bytes
    flags: int


class _Sse:
    """A CPU that runs one SSE instruction."""

    _CODE, _DATA = 0x10000, 0x20000

    def __init__(self) -> None:
        self._uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self._uc.ctl_set_cpu_model(x86.UC_CPU_X86_HASWELL)
        self._uc.mem_map(self._CODE, 0x1000)
        self._uc.mem_map(self._DATA, 0x1000)

    def run(self, code: bytes, *, first: int, second: int, general: int, memory: bytes) -> _After:
        uc = self._uc
        uc.mem_write(self._CODE, code)
        uc.ctl_remove_cache(self._CODE, self._CODE + LONGEST)
        uc.mem_write(self._DATA, memory.ljust(16, b"\0"))
        uc.reg_write(x86.UC_X86_REG_RBX, self._DATA)
        uc.reg_write(x86.UC_X86_REG_RDX, general)
        uc.reg_write(x86.UC_X86_REG_XMM0, first)
        uc.reg_write(x86.UC_X86_REG_XMM1, second)
        uc.emu_start(self._CODE, self._CODE + len(code), count=1)
        return _After(
            first=uc.reg_read(x86.UC_X86_REG_XMM0),
            second=uc.reg_read(x86.UC_X86_REG_XMM1),
            general_reg=uc.reg_read(x86.UC_X86_REG_RCX),
            general_rm=uc.reg_read(x86.UC_X86_REG_RDX),
            memory=bytes(uc.mem_read(self._DATA, 16)),
            flags=uc.reg_read(x86.UC_X86_REG_EFLAGS),
        )
