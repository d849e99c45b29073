"""Runs functions of an `Image` in an emulated CPU, without an operating system around them.

Every symbol that the image imports and does not define itself becomes a *stub*: one ``ret``
instruction whose execution calls a Python handler. A stub without a handler returns 0, or its
first argument for a C++ constructor (which on arm64 returns ``this``). Nothing of the host can
be reached: the emulated CPU sees only the memory mapped here, an unmapped access stops the run,
and instructions, memory and stub calls are all bounded, so a hostile library can at worst make
the run fail.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping

import unicorn
from unicorn import arm64_const as arm
from unicorn import x86_const as x86

from opcheck.extract.image import SLIDE, Image

Handler = Callable[["Machine"], "int | None"]
"""Given the machine at a stub's call; the return value, or None to leave the register alone."""

_STUBS, _STUB_SIZE = 0x7000_0000_0000, 32
_HEAP, _HEAP_LIMIT = 0x6000_0000_0000, 512 << 20
_STACK, _STACK_SIZE = 0x5000_0000_0000, 8 << 20
_TLS, _TLS_SIZE = 0x4000_0000_0000, 64 << 10
_RETURN = 0x7F00_0000_0000
_PAGE = 0x4000
_CONSTRUCTOR = re.compile(r"_ZN.*[CD][123]E")


class Fault(Exception):
    """The emulated code did something that cannot go on: a bad access, a throw, an abort."""


class _Cpu:
    """What differs between the two instruction sets."""

    def __init__(self, image: Image) -> None:
        if image.arch == "arm64":
            self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
            # The newest model: Apple's compilers emit LSE atomics (CASP, LDADD, ...).
            self.uc.ctl_set_cpu_model(arm.UC_CPU_ARM64_MAX)
            self.ret = bytes.fromhex("c0035fd6")
            self.args = [getattr(arm, f"UC_ARM64_REG_X{i}") for i in range(8)]
            self.result, self.sp, self.pc = self.args[0], arm.UC_ARM64_REG_SP, arm.UC_ARM64_REG_PC
            self.uc.reg_write(arm.UC_ARM64_REG_TPIDR_EL0, _TLS + _TLS_SIZE // 2)
            cpacr = self.uc.reg_read(arm.UC_ARM64_REG_CPACR_EL1)
            self.uc.reg_write(arm.UC_ARM64_REG_CPACR_EL1, cpacr | 3 << 20)  # enable NEON
        else:
            self.uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
            self.ret = b"\xc3"
            names = ("RDI", "RSI", "RDX", "RCX", "R8", "R9")
            self.args = [getattr(x86, f"UC_X86_REG_{n}") for n in names]
            self.result, self.sp, self.pc = (
                x86.UC_X86_REG_RAX,
                x86.UC_X86_REG_RSP,
                x86.UC_X86_REG_RIP,
            )
            self.uc.reg_write(x86.UC_X86_REG_FS_BASE, _TLS + _TLS_SIZE // 2)
        self.is_arm = image.arch == "arm64"

    def enter(self, stack: int) -> None:
        """Set the stack so that the called function returns to `_RETURN`."""
        if self.is_arm:
            self.uc.reg_write(arm.UC_ARM64_REG_LR, _RETURN)
        else:
            stack -= 8
            self.uc.mem_write(stack, struct.pack("<Q", _RETURN))
        self.uc.reg_write(self.sp, stack)


class Machine:
    """One image, mapped and linked against ``handlers``."""

    def __init__(
        self,
        image: Image,
        handlers: Mapping[str, Handler],
        objects: Mapping[str, Callable[[Machine], int]] | None = None,
        *,
        max_instructions: int = 50_000_000,
    ) -> None:
        self.image = image
        self.max_instructions = max_instructions
        self._handlers = handlers
        self._cpu = _Cpu(image)
        self.uc = self._cpu.uc
        self._heap_top = _HEAP
        self._heap_mapped = _HEAP
        self._stub_names: list[str] = []
        self._error: BaseException | None = None
        self._map()
        self._link(objects or {})

    # -- memory ---------------------------------------------------------------------------

    def alloc(self, size: int) -> int:
        """Zeroed memory that lives as long as the machine."""
        if size > _HEAP_LIMIT:
            raise Fault("it allocates more than 512 MB")
        address = self._heap_top
        self._heap_top += (max(size, 1) + 31) & ~15
        if self._heap_top - _HEAP > _HEAP_LIMIT:
            raise Fault("it allocates more than 512 MB")
        while self._heap_mapped < self._heap_top:
            grow = 16 << 20
            self.uc.mem_map(self._heap_mapped, grow)
            self._heap_mapped += grow
        return address

    def read(self, address: int, size: int) -> bytes:
        if size > _HEAP_LIMIT:
            raise Fault(f"it reads {size} bytes at once")
        return bytes(self.uc.mem_read(address, size))

    def write(self, address: int, data: bytes) -> None:
        self.uc.mem_write(address, data)

    def fill(self, address: int, byte: int, size: int) -> None:
        if size > _HEAP_LIMIT:
            raise Fault(f"it writes {size} bytes at once")
        self.uc.mem_write(address, bytes([byte]) * size)

    def word(self, address: int) -> int:
        """The 64-bit value at ``address``."""
        return int(struct.unpack("<Q", self.uc.mem_read(address, 8))[0])

    def put(self, data: bytes) -> int:
        """The address of a fresh copy of ``data``."""
        address = self.alloc(len(data))
        self.write(address, data)
        return address

    def text(self, address: int, limit: int = 4096) -> str:
        """The C string at ``address``."""
        raw = b""
        while len(raw) < limit:
            # Never across a page at once: the next one may be unmapped.
            step = min(64, 4096 - address % 4096)
            part = bytes(self.uc.mem_read(address, step))
            raw += part
            if b"\0" in part:
                return raw[: raw.index(b"\0")].decode()
            address += step
        raise Fault("an endless string")

    # -- calls ----------------------------------------------------------------------------

    def arg(self, index: int) -> int:
        """The integer argument ``index`` of the call in progress."""
        return int(self.uc.reg_read(self._cpu.args[index]))

    def set_result(self, value: int) -> None:
        self.uc.reg_write(self._cpu.result, value & (2**64 - 1))

    def call(self, address: int, *args: int) -> int:
        """Run the function at ``address`` to its end; a `Fault` says why it stopped early."""
        for register, value in zip(self._cpu.args, args, strict=False):
            self.uc.reg_write(register, value)
        self._cpu.enter(_STACK + _STACK_SIZE - 4096)
        self._error = None
        try:
            self.uc.emu_start(address, _RETURN, count=self.max_instructions)
        except unicorn.UcError as error:
            pc = self.uc.reg_read(self._cpu.pc)
            raise Fault(f"{error} at {pc - SLIDE:#x}") from None
        if self._error is not None:
            raise self._error
        if self.uc.reg_read(self._cpu.pc) != _RETURN:
            raise Fault(f"it ran more than {self.max_instructions} instructions")
        return int(self.uc.reg_read(self._cpu.result))

    # -- set-up ---------------------------------------------------------------------------

    def _map(self) -> None:
        first = min(s.address for s in self.image.segments) & -_PAGE
        end = max(s.address + s.size for s in self.image.segments)
        self.uc.mem_map(first, (end - first + _PAGE) & -_PAGE)
        for segment in self.image.segments:
            self.uc.mem_write(segment.address, segment.data)
        self.uc.mem_map(_STACK, _STACK_SIZE)
        self.uc.mem_map(_TLS, _TLS_SIZE)
        self.uc.mem_map(_RETURN, _PAGE)
        for address, value in self.image.pointers:
            self.uc.mem_write(address, struct.pack("<Q", value))

    def _link(self, objects: Mapping[str, Callable[[Machine], int]]) -> None:
        """Point every import at the image's own definition, an object of ours, or a stub."""
        hooked = self._handlers.keys() & self.image.symbols.keys()
        names = sorted({i.symbol for i in self.image.imports} - self.image.symbols.keys())
        targets = dict(self.image.symbols)
        for name in names:
            if name in objects:
                targets[name] = objects[name](self)
            else:
                targets[name] = self._stub(name)
        self.uc.mem_map(_STUBS, (len(self._stub_names) * _STUB_SIZE + _PAGE) & -_PAGE)
        slot = self._cpu.ret.ljust(_STUB_SIZE, b"\0")
        self.uc.mem_write(_STUBS, slot * len(self._stub_names))
        self.uc.hook_add(
            unicorn.UC_HOOK_CODE,
            self._on_stub,
            begin=_STUBS,
            end=_STUBS + len(self._stub_names) * _STUB_SIZE,
        )
        for item in self.image.imports:
            address = targets[item.symbol] + item.addend
            self.uc.mem_write(item.address, struct.pack("<Q", address & (2**64 - 1)))
        for name in hooked:
            # The image has a copy of its own: take that over too, at its first instruction.
            self.uc.mem_write(self.image.symbols[name], self._cpu.ret)
            handler = self._handlers[name]
            address = self.image.symbols[name]
            self.uc.hook_add(
                unicorn.UC_HOOK_CODE, self._on_defined, handler, begin=address, end=address
            )

    def _stub(self, name: str) -> int:
        self._stub_names.append(name)
        return _STUBS + (len(self._stub_names) - 1) * _STUB_SIZE

    def _on_stub(self, _uc: unicorn.Uc, address: int, _size: int, _data: object) -> None:
        name = self._stub_names[(address - _STUBS) // _STUB_SIZE]
        handler = self._handlers.get(name)
        if handler is not None:
            self._run(handler)
        elif not _CONSTRUCTOR.match(name):
            self.set_result(0)

    def _on_defined(self, _uc: unicorn.Uc, _address: int, _size: int, handler: Handler) -> None:
        self._run(handler)

    def _run(self, handler: Handler) -> None:
        try:
            result = handler(self)
        except (unicorn.UcError, UnicodeDecodeError) as error:
            self._error = Fault(f"a bad pointer was passed to the system ({error})")
        except Exception as error:
            self._error = error
        else:
            if result is not None:
                self.set_result(result)
            return
        self.uc.emu_stop()
