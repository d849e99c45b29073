"""Which functions an initializer can come to, read from x86-64 code without running it.

Code is taken function by function, from a symbol to the next one and every instruction of it, so
that jump tables and landing pads need no understanding. A function leads to those that it calls or
jumps to, and to those whose address it takes. A call through a table (of virtual functions, say)
leads nowhere: that nothing is missed is for `registrars` to prove, this says why.
"""

from __future__ import annotations

import re
from bisect import bisect_right
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


class Program:
    """Libraries that are loaded together."""

    def __init__(self, images: Sequence[Image]) -> None:
        self._codes = [_Code(image) for image in images]
        self._exports: dict[str, int] = {}
        for image in reversed(images):
            self._exports |= image.symbols

    def reach(self, address: int) -> Reach:
        """From the function at ``address``."""
        seen: set[int] = set()
        builders: set[str] = set()
        instructions = 0
        todo: list[int | str] = [address]
        while todo:
            goal = todo.pop()
            name = goal if isinstance(goal, str) else self._name(goal)
            if BUILDER.match(name):
                builders.add(name)
                continue
            place = self._exports.get(goal) if isinstance(goal, str) else goal
            code = next((c for c in self._codes if place is not None and c.holds(place)), None)
            if place is None or code is None:  # of the system
                continue
            start, end = code.around(place)
            if start in seen:
                continue
            seen.add(start)
            for found in code.leads(start, end):
                todo += found
                instructions += 1
        return Reach(len(seen), instructions, tuple(sorted(builders)))

    def _name(self, address: int) -> str:
        return next((c.names[address] for c in self._codes if address in c.names), "")


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
        """The function at ``address``, or that of the pointer there."""
        goal = self._pointers.get(address, address)
        return [goal] if isinstance(goal, str) or goal in self.names else []
