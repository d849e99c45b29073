"""Which functions an initializer can come to, read from x86-64 code without running it.

Code is taken function by function, from a symbol to the next one and every instruction of it, so
that jump tables and landing pads need no understanding. A function leads to those that it calls or
jumps to, to those whose address it takes, and to those in each table of pointers (of virtual
functions, say) whose address it takes. A call through a pointer that comes from elsewhere leads
nowhere: what proves that nothing is missed is `registrars`, this says why.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import capstone
import msgspec

from opcheck.extract.image import Image

BUILDER = re.compile(
    r"_ZN10tensorflow(16KernelDefBuilder|15register_kernel|14kernel_factory).*"
    r"|TF_(NewKernelBuilder|RegisterKernelBuilder)"
)
_OPERAND = re.compile(r"\[rip ([+-]) (0x[0-9a-f]+|\d+)\]")


class Reach(msgspec.Struct, frozen=True):
    """``builders`` are the functions of the kernel builder among those that are reached."""

    functions: int
    instructions: int
    builders: tuple[str, ...]


def reach(images: Sequence[Image], address: int) -> Reach:
    """From the function at ``address`` in any of the libraries, which are loaded together."""
    codes = [_Code(image) for image in images]
    exports: dict[str, int] = {}
    for image in reversed(images):
        exports |= image.symbols
    seen: set[int] = set()
    builders: set[str] = set()
    instructions = 0
    todo: list[int | str] = [address]
    while todo:
        goal = todo.pop()
        if isinstance(goal, str):
            if BUILDER.match(goal):
                builders.add(goal)
                continue
            if goal not in exports:  # of the system
                continue
            goal = exports[goal]
        code = next((c for c in codes if c.holds(goal)), None)
        if code is None:
            continue
        start, end = code.around(goal)
        if start in seen:
            continue
        seen.add(start)
        if BUILDER.match(code.names.get(start, "")):
            builders.add(code.names[start])
            continue
        for found in code.leads(start, end):
            todo += found
            instructions += 1
    return Reach(len(seen), instructions, tuple(sorted(builders)))


class _Code:
    """The first segment of a library, which holds its code, and what its pointers will be."""

    def __init__(self, image: Image) -> None:
        self.names = {a: n for n, a in (*image.local.items(), *image.symbols.items())}
        self._starts = sorted(self.names)
        self._text = image.segments[0]
        self._pointers: dict[int, int | str] = {
            **dict(image.pointers),
            **{i.address: i.symbol for i in image.imports},
        }
        self._slots = sorted(self._pointers)
        self._disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._disassembler.skipdata = True  # a jump table among the code

    def holds(self, address: int) -> bool:
        return 0 <= address - self._text.address < len(self._text.data)

    def around(self, address: int) -> tuple[int, int]:
        """From the symbol at or before ``address`` to the next one."""
        after = bisect_right(self._starts, address)
        first = self._starts[after - 1] if after else self._text.address
        return first, self._starts[after] if after < len(self._starts) else first

    def leads(self, start: int, end: int) -> Iterator[list[int | str]]:
        """For each instruction, where it leads to out of its function."""
        code = self._text.data[start - self._text.address : end - self._text.address]
        for address, size, name, operands in self._disassembler.disasm_lite(code, start):
            if operands.startswith("0x") and (name == "call" or name.startswith("j")):
                goal = int(operands, 16)
                yield [] if start <= goal < end else [self._through_stub(goal)]
            elif operand := _OPERAND.search(operands):
                offset = int(operand[2], 0)
                yield self._taken(address + size + (offset if operand[1] == "+" else -offset))
            else:
                yield []

    def _through_stub(self, address: int) -> int | str:
        """A stub is ``jmp [rip + slot]``."""
        at = address - self._text.address
        if self._text.data[at : at + 2] != b"\xff\x25":
            return address
        offset = int.from_bytes(self._text.data[at + 2 : at + 6], "little", signed=True)
        return self._pointers.get(address + 6 + offset, address)

    def _taken(self, address: int) -> list[int | str]:
        """What the data or the function at ``address`` leads to."""
        if self.holds(address):
            return [address] if address in self.names else []
        if address in self._pointers and address not in self.names:
            return self._functions([address])
        _, end = self.around(address)
        first, last = bisect_left(self._slots, address), bisect_left(self._slots, end)
        return self._functions(self._slots[first:last])

    def _functions(self, slots: list[int]) -> list[int | str]:
        values = (self._pointers[slot] for slot in slots)
        return [v for v in values if isinstance(v, str) or v in self.names]
