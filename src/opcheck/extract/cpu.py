"""Unicorn's emulated CPU with a typed face; the two instruction sets differ only here."""

# Unicorn's Python binding has no annotations; only this file and avx.py call it.
# mypy: disable-error-code="no-untyped-call, attr-defined, name-defined, no-any-return"

from __future__ import annotations

import struct
from collections.abc import Callable

import unicorn
from unicorn import arm64_const as arm
from unicorn import x86_const as x86

from opcheck.extract.avx import Avx
from opcheck.extract.image import Arch

RETURN = 0x7F00_0000_0000
"""Called functions return here, which ends the run."""

_TLS, _TLS_SIZE = 0x4000_0000_0000, 64 << 10
_PAGE = 0x4000

# The registers of integer arguments, by calling convention.
_SYSTEM_V, _WINDOWS = "RDI RSI RDX RCX R8 R9", "RCX RDX R8 R9"


class CpuError(Exception):
    """The emulated CPU stopped: an access to unmapped memory, an illegal instruction."""


class Cpu:
    """Registers, memory and the run loop."""

    def __init__(self, arch: Arch, *, windows: bool = False) -> None:
        self._arm = arch == "arm64"
        if self._arm:
            self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
            # The newest model: Apple's compilers emit LSE atomics (CASP, LDADD, ...).
            self._uc.ctl_set_cpu_model(arm.UC_CPU_ARM64_MAX)
            self._arguments = [getattr(arm, f"UC_ARM64_REG_X{i}") for i in range(8)]
            self._result, self._second_result = self._arguments[:2]
            self._returned = arm.UC_ARM64_REG_X8
            self._sp, self._pc = arm.UC_ARM64_REG_SP, arm.UC_ARM64_REG_PC
            self._uc.reg_write(arm.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # enables NEON
            self._uc.reg_write(arm.UC_ARM64_REG_TPIDR_EL0, _TLS + _TLS_SIZE // 2)
            self.ret = bytes.fromhex("c0035fd6")
        else:
            self._uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
            names = (_WINDOWS if windows else _SYSTEM_V).split()
            self._arguments = [getattr(x86, f"UC_X86_REG_{n}") for n in names]
            self._result, self._second_result = x86.UC_X86_REG_RAX, x86.UC_X86_REG_RDX
            self._returned = self._arguments[0]
            self._sp, self._pc = x86.UC_X86_REG_RSP, x86.UC_X86_REG_RIP
            self._uc.reg_write(x86.UC_X86_REG_FS_BASE, _TLS + _TLS_SIZE // 2)
            self.ret = b"\xc3"
            Avx(self._uc)
        # Where the arguments on the stack begin: after the return address, which Windows has
        # followed by room for those in registers.
        self._on_stack = 40 if windows else 8
        self.map(_TLS, _TLS_SIZE)
        self.map(RETURN, _PAGE)
        if windows:
            self._make_thread_block()

    def _make_thread_block(self) -> None:
        """Windows' TEB: all that code reads is its own address and the table of thread storage."""
        self._uc.reg_write(x86.UC_X86_REG_GS_BASE, _TLS)
        table, storage = _TLS + 0x1000, _TLS + 0x2000
        self.write(_TLS + 0x30, struct.pack("<Q", _TLS))
        self.write(_TLS + 0x58, struct.pack("<Q", table))
        self.write(table, struct.pack("<8Q", *[storage] * 8))

    def map(self, address: int, size: int) -> None:
        """Zeroed memory; the range is widened to whole pages."""
        first = address & -_PAGE
        try:
            self._uc.mem_map(first, (address + size - first + _PAGE - 1) & -_PAGE)
        except unicorn.UcError as error:
            raise CpuError(str(error)) from None

    def read(self, address: int, size: int) -> bytes:
        try:
            return bytes(self._uc.mem_read(address, size))
        except unicorn.UcError as error:
            raise CpuError(str(error)) from None

    def write(self, address: int, data: bytes) -> None:
        try:
            self._uc.mem_write(address, data)
        except unicorn.UcError as error:
            raise CpuError(str(error)) from None

    def argument(self, index: int) -> int:
        """Integer argument ``index`` of the function just entered."""
        beyond = index - len(self._arguments)
        if beyond >= 0:
            sp = self._uc.reg_read(self._sp)
            return struct.unpack("<Q", self.read(sp + self._on_stack + 8 * beyond, 8))[0]
        return self._uc.reg_read(self._arguments[index])

    def returned(self) -> int:
        """Where the function just entered is to construct the object that it returns."""
        return self._uc.reg_read(self._returned)

    def caller(self) -> int:
        """The address to which the function just entered returns."""
        if self._arm:
            return self._uc.reg_read(arm.UC_ARM64_REG_LR)
        return struct.unpack("<Q", self.read(self._uc.reg_read(self._sp), 8))[0]

    def set_argument(self, index: int, value: int) -> None:
        self._uc.reg_write(self._arguments[index], value)

    def result(self) -> int:
        return self._uc.reg_read(self._result)

    def set_result(self, value: int) -> None:
        self._uc.reg_write(self._result, value & (2**64 - 1))

    def set_second_result(self, value: int) -> None:
        self._uc.reg_write(self._second_result, value & (2**64 - 1))

    @property
    def pc(self) -> int:
        return self._uc.reg_read(self._pc)

    def jump(self, address: int) -> None:
        """From a callback of `on_execute`: go on at ``address``."""
        self._uc.reg_write(self._pc, address)

    def on_execute(self, first: int, last: int, callback: Callable[[int], None]) -> None:
        """Call back with the address before each instruction from ``first`` to ``last``."""
        self._uc.hook_add(
            unicorn.UC_HOOK_CODE,
            lambda _uc, address, _size, _data: callback(address),
            begin=first,
            end=last,
        )

    def run(self, address: int, stack: int, max_instructions: int) -> None:
        """Call the function at ``address`` with the stack's end at ``stack``."""
        if self._arm:
            self._uc.reg_write(arm.UC_ARM64_REG_LR, RETURN)
        else:
            stack -= 8
            self.write(stack, struct.pack("<Q", RETURN))
        self._uc.reg_write(self._sp, stack)
        try:
            self._uc.emu_start(address, RETURN, count=max_instructions)
        except unicorn.UcError as error:
            raise CpuError(str(error)) from None

    def stop(self) -> None:
        self._uc.emu_stop()
