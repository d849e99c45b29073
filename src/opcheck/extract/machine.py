"""Runs functions of an `Image` in an emulated CPU, without an operating system around them.

Every symbol that the image imports and does not define itself becomes a *stub*: one ``ret``
instruction whose execution calls a Python handler. A stub without a handler returns 0, or its
first argument for a C++ constructor (which on arm64 returns ``this``). Nothing of the host can
be reached: the emulated CPU sees only the memory mapped here, an unmapped access stops the run,
and instructions, memory and time are bounded, so a hostile library can at worst make the run fail.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Mapping, Sequence

from opcheck.errors import ExtractError
from opcheck.extract.cpu import RETURN, Cpu, CpuError
from opcheck.extract.image import Image

Handler = Callable[["Machine"], "int | None"]
"""Given the machine at a call; the return value, or None to leave the register alone."""

Object = Callable[["Machine"], int]
"""Makes a data symbol in the machine's memory and returns its address."""

_STUBS, _STUB_SIZE = 0x7000_0000_0000, 32
_HEAP, _HEAP_LIMIT, _HEAP_STEP = 0x6000_0000_0000, 512 << 20, 16 << 20
_STACK, _STACK_SIZE = 0x5000_0000_0000, 8 << 20
_IMAGE_LIMIT = 4 << 30
_CALL_LIMIT = 5_000_000
_CPU_SECONDS = 900
_CONSTRUCTOR = re.compile(r"_ZN.*[CD][123]E")


class Fault(Exception):  # noqa: N818  (the word for it)
    """The emulated code did something that cannot go on: a bad access, a throw, an abort."""


class Machine:
    """Libraries, mapped and linked against ``handlers``, each other and ``objects``.

    A handler goes before a library's own definition, so that what is recorded is recorded no
    matter which library calls it.
    """

    def __init__(
        self,
        images: Sequence[Image],
        handlers: Mapping[str, Handler],
        objects: Mapping[str, Object],
        *,
        max_instructions: int = 50_000_000,
    ) -> None:
        self.images = tuple(images)
        self.image = self.images[-1]
        self.max_instructions = max_instructions
        self._handlers = handlers
        self._cpu = Cpu(self.image.arch, windows=self.image.container == "pe")
        self._heap_top = self._heap_mapped = _HEAP
        self._stub_names = [""]  # the first stub is nobody's: see `nothing`
        self.unanswered: set[str] = set()
        """The functions that were called and have no handler."""
        self._error: Exception | None = None
        self._calls = 0
        self._started = time.process_time()
        try:
            self._map()
            self._link(objects)
        except CpuError as error:
            name = self.image.path.name
            raise ExtractError(f"{name} cannot be loaded as it asks to be: {error}.") from None

    @property
    def nothing(self) -> int:
        """The address of a function that does nothing and returns 0."""
        return _STUBS

    def stub(self, name: str) -> int:
        """The address of a function that a handler answers, as ``dlsym`` gives it; 0 of another."""
        known = name in self._handlers and name in self._stub_names
        return _STUBS + self._stub_names.index(name) * _STUB_SIZE if known else 0

    # -- memory ---------------------------------------------------------------------------

    def alloc(self, size: int) -> int:
        """Zeroed memory that lives as long as the machine."""
        top = self._heap_top + ((max(size, 1) + 31) & ~15)
        if top - _HEAP > _HEAP_LIMIT:
            raise Fault(f"it allocates more than {_HEAP_LIMIT >> 20} MB")
        while self._heap_mapped < top:
            self._cpu.map(self._heap_mapped, _HEAP_STEP)
            self._heap_mapped += _HEAP_STEP
        address, self._heap_top = self._heap_top, top
        return address

    def read(self, address: int, size: int) -> bytes:
        if size > _HEAP_LIMIT:
            raise Fault(f"it reads {size} bytes at once")
        return self._cpu.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        self._cpu.write(address, data)

    def fill(self, address: int, byte: int, size: int) -> None:
        if size > _HEAP_LIMIT:
            raise Fault(f"it writes {size} bytes at once")
        self._cpu.write(address, bytes([byte]) * size)

    def word(self, address: int) -> int:
        """The 64-bit value at ``address``."""
        return int.from_bytes(self._cpu.read(address, 8), "little")

    def set_word(self, address: int, value: int) -> None:
        self._cpu.write(address, struct.pack("<Q", value & (2**64 - 1)))

    def put(self, data: bytes) -> int:
        """The address of a fresh copy of ``data``."""
        address = self.alloc(len(data))
        self._cpu.write(address, data)
        return address

    def text(self, address: int, limit: int = 4096) -> str:
        """The C string at ``address``."""
        raw = b""
        while len(raw) < limit:
            # Never across a page at once: the next one may be unmapped.
            raw += self._cpu.read(address + len(raw), 64 - (address + len(raw)) % 64)
            if b"\0" in raw:
                return raw[: raw.index(b"\0")].decode(errors="replace")
        raise Fault("it passed an endless string")

    def watch(self, address: int, callback: Callable[[Machine], None]) -> None:
        """Call back whenever the function at ``address`` is entered; it runs all the same."""
        self._cpu.on_execute(address, address, lambda _address: callback(self))

    # -- calls ----------------------------------------------------------------------------

    def arg(self, index: int) -> int:
        """The integer argument ``index`` of the call in progress."""
        return self._cpu.argument(index)

    def caller(self) -> int:
        """The address to which the call in progress returns."""
        return self._cpu.caller()

    def returned(self) -> int:
        """Where the call in progress is to construct the object that it returns."""
        return self._cpu.returned()

    def set_second_result(self, value: int) -> None:
        """The other half of a two-word result; the handler returns the first."""
        self._cpu.set_second_result(value)

    def jump(self, address: int, *args: int) -> None:
        """From a handler: instead of returning to the caller, let it have called ``address``."""
        for index, value in enumerate(args):
            self._cpu.set_argument(index, value)
        self._cpu.jump(address)

    def call(self, address: int, *args: int) -> int:
        """Run the function at ``address`` to its end; a `Fault` says why it stopped early.

        A library can have any number of functions to run, each within its bounds: an ExtractError
        ends them all after a quarter of an hour of this process's CPU time.
        """
        if time.process_time() - self._started > _CPU_SECONDS:
            raise ExtractError(f"{self.image.path.name} ran for more than {_CPU_SECONDS} s.")
        for index, value in enumerate(args):
            self._cpu.set_argument(index, value)
        self._error = None
        self._calls = 0
        try:
            self._cpu.run(address, _STACK + _STACK_SIZE - 4096, self.max_instructions)
        except CpuError as error:
            raise Fault(f"{error} at {self._cpu.pc:#x}") from None
        if self._error is not None:
            raise self._error
        if self._cpu.pc != RETURN:
            raise Fault(f"it ran more than {self.max_instructions} instructions")
        return self._cpu.result()

    # -- set-up ---------------------------------------------------------------------------

    def _map(self) -> None:
        self._cpu.map(_STACK, _STACK_SIZE)
        for image in self.images:
            first = min(s.address for s in image.segments)
            end = max(s.address + s.size for s in image.segments)
            if end - first > _IMAGE_LIMIT:
                raise CpuError(f"{end - first} bytes of memory")
            self._cpu.map(first, end - first)
            for segment in image.segments:
                self._cpu.write(segment.address, segment.data)
            for address, value in image.pointers:
                self.set_word(address, value)

    def _link(self, objects: Mapping[str, Object]) -> None:
        """Point every import at a handler, a library's definition, an object, or a stub."""
        addresses: dict[str, int] = {}
        for image in reversed(self.images):
            addresses |= image.symbols
        imports = {i.symbol for image in self.images for i in image.imports}
        for name in sorted(imports | self._handlers.keys()):
            if name in self._handlers or (name not in addresses and name not in objects):
                addresses[name] = _STUBS + len(self._stub_names) * _STUB_SIZE
                self._stub_names.append(name)
            elif name not in addresses:
                addresses[name] = objects[name](self)
        stubs = self._cpu.ret.ljust(_STUB_SIZE, b"\0") * len(self._stub_names)
        self._cpu.map(_STUBS, len(stubs) + 1)
        self._cpu.write(_STUBS, stubs)
        self._cpu.on_execute(_STUBS, _STUBS + len(stubs), self._on_stub)
        for image in self.images:
            for item in image.imports:
                self.set_word(item.address, addresses[item.symbol] + item.addend)
            for names in (image.symbols, image.local):
                for name in self._handlers.keys() & names.keys():
                    # Calls within the library do not go through an import.
                    self._take_over(name, names[name], self._handlers[name])

    def _take_over(self, name: str, address: int, handler: Handler) -> None:
        self._cpu.write(address, self._cpu.ret)
        self._cpu.on_execute(address, address, lambda _address: self._run(name, handler))

    def _on_stub(self, address: int) -> None:
        self._calls += 1
        if self._calls > _CALL_LIMIT:
            self._error = Fault(f"it called the system more than {_CALL_LIMIT} times")
            self._cpu.stop()
            return
        name = self._stub_names[(address - _STUBS) // _STUB_SIZE]
        handler = self._handlers.get(name)
        if handler is not None:
            self._run(name, handler)
            return
        self.unanswered.add(name)
        if not _CONSTRUCTOR.match(name):
            self._cpu.set_result(0)

    def _run(self, name: str, handler: Handler) -> None:
        """Exceptions must not cross the C code of the emulator: keep them for `call`."""
        try:
            result = handler(self)
        except CpuError as error:
            self._error = Fault(f"it passed a bad pointer to {name} ({error})")
        except Exception as error:
            self._error = error
        else:
            if result is not None:
                self._cpu.set_result(result)
            return
        self._cpu.stop()
