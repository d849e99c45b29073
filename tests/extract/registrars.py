"""Every call of the kernel registrar in a library's code, found without running it.

A direct branch to the registrar, or to a stub or island that goes on to it, has few encodings (Arm
ARM C4, Intel SDM volume 2), and one is looked for at every place where it can start. A registry is
complete when each of these calls has been run.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from opcheck.extract.image import Image, Segment

REGISTRAR = re.compile(
    r"_ZN10tensorflow14kernel_factory17OpKernelRegistrar(12InitInternal|C[12])E.*"
    r"|TF_RegisterKernelBuilder"
)
NOT_AT_LOADING = re.compile(
    # The registrar's own constructor, which each call goes through.
    r"_ZN10tensorflow14kernel_factory17OpKernelRegistrarC[12]E.*"
    # The C API behind TF_RegisterKernelBuilder, whose callers are counted instead.
    r"|TF_RegisterKernelBuilder.*"
    # XLA registers kernels of its own devices when one of them is first made.
    r"|_ZN10tensorflow24RegisterXlaDeviceKernels.*"
    r"|_ZN10tensorflow13XlaOpRegistry26RegisterCompilationKernels.*"
    # TensorFlow Lite's converter registers a stand-in for each custom op that a user names.
    r"|_ZN(4toco|6tflite)20RegisterCustomOpdefs.*"
)
"""Functions whose calls of the registrar do not run when TensorFlow is loaded."""


def calls_at_loading(image: Image) -> tuple[dict[int, str], Counter[str]]:
    """The return addresses of the calls that loading runs, with the function of each; how many
    others each function has."""
    names = sorted((a, n) for n, a in {**image.symbols, **image.local}.items())
    starts = [address for address, _ in names]
    within = {c: names[bisect_right(starts, c) - 1][1] for c in registrar_calls(image)}
    later = {call for call, name in within.items() if NOT_AT_LOADING.fullmatch(name)}
    calls = {call: name for call, name in within.items() if call not in later}
    return calls, Counter(within[call] for call in later)


_CHUNK = 32 << 20

Addresses = npt.NDArray[np.int64]


def registrar_calls(image: Image) -> frozenset[int]:
    """The return address of each call of the registrar."""
    defined = {a for n, a in (*image.symbols.items(), *image.local.items()) if REGISTRAR.match(n)}
    slots = {i.address for i in image.imports if REGISTRAR.match(i.symbol)}
    find = _arm64 if image.arch == "arm64" else _x86_64
    targets = defined | find(image.segments, slots=slots).jumps
    calls: set[int] = set()
    while targets:
        found = find(image.segments, targets=targets)
        calls |= found.calls
        # A jump to the registrar is itself a way to it: an island, or a function's last call.
        targets = found.jumps - defined
        defined |= targets
    return frozenset(calls | find(image.segments, slots=slots).calls)


class _Found:
    """``calls`` are return addresses, ``jumps`` the addresses of the jumps themselves."""

    def __init__(self) -> None:
        self.calls: set[int] = set()
        self.jumps: set[int] = set()


def _arm64(
    segments: Iterable[Segment], *, targets: Iterable[int] = (), slots: Iterable[int] = ()
) -> _Found:
    found = _Found()
    wanted, pointers = _array(targets), _array(slots)
    for segment in segments:
        words = np.frombuffer(segment.data[: len(segment.data) // 4 * 4], "<u4")
        if len(wanted):
            for opcode, into, step in ((0x94000000, found.calls, 4), (0x14000000, found.jumps, 0)):
                at = np.flatnonzero(words & 0xFC000000 == opcode)
                offset = (words[at].astype(np.int64) << 38) >> 36
                place = segment.address + 4 * at
                into.update((place[np.isin(place + offset, wanted)] + step).tolist())
        if len(pointers):
            _arm64_loads(words, segment.address, pointers, found)
    return found


def _arm64_loads(
    words: npt.NDArray[np.uint32], start: int, pointers: Addresses, found: _Found
) -> None:
    """A pointer is loaded by ``ldr reg, literal`` or ``adrp reg; ldr reg, [reg, offset]``; the next
    instruction goes there: ``br reg`` or ``blr reg``."""
    literal = np.flatnonzero(words & 0xFF000000 == 0x58000000)
    offset = (words[literal].astype(np.int64) << 40 >> 45) * 4
    literal = literal[np.isin(start + 4 * literal + offset, pointers)]
    pages = np.flatnonzero(words[:-1] & 0x9F000000 == 0x90000000)
    load = words[pages + 1]
    page = words[pages].astype(np.int64)
    number = ((page >> 29) & 3) | (((page << 40) >> 45) << 2)
    address = ((start + 4 * pages) & ~0xFFF) + (number << 12) + ((load >> 10) & 0xFFF) * 8
    loads = (load & 0xFFC00000 == 0xF9400000) & ((load >> 5) & 31 == words[pages] & 31)
    pages = pages[loads & np.isin(address, pointers)]
    for first, last in [(n, n) for n in literal.tolist()] + [(n, n + 1) for n in pages.tolist()]:
        after = int(words[last + 1])
        if after & 0xFFFFFC1F == 0xD61F0000:
            found.jumps.add(start + 4 * first)
            found.jumps.add(start + 4 * first - 4)  # a stub may begin with a nop
        elif after & 0xFFFFFC1F == 0xD63F0000:
            found.calls.add(start + 4 * last + 8)


def _x86_64(
    segments: Iterable[Segment], *, targets: Iterable[int] = (), slots: Iterable[int] = ()
) -> _Found:
    """``call rel32`` and ``jmp rel32``; through a pointer ``call`` and ``jmp [rip + rel32]``."""
    found = _Found()
    wanted, pointers = _array(targets), _array(slots)
    for segment in segments:
        for base in range(0, len(segment.data), _CHUNK):
            code = np.frombuffer(segment.data[base : base + _CHUNK + 8], np.uint8)
            start = segment.address + base
            for opcode, goals in (
                ((0xE8,), wanted),
                ((0xE9,), wanted),
                ((0xFF, 0x15), pointers),
                ((0xFF, 0x25), pointers),
            ):
                if not len(goals):
                    continue
                places = _x86_64_branches(code, start, opcode, goals)
                if opcode[-1] in (0xE8, 0x15):
                    found.calls.update(place + len(opcode) + 4 for place in places)
                else:
                    found.jumps.update(places)
    return found


def _x86_64_branches(
    code: npt.NDArray[np.uint8], start: int, opcode: tuple[int, ...], goals: Addresses
) -> list[int]:
    length = len(opcode)
    at = np.flatnonzero(code[: max(len(code) - length - 3, 0)] == opcode[0])
    if length == 2:
        at = at[code[at + 1] == opcode[1]]
    offset = sum(code[at + length + n].astype(np.uint32) << np.uint32(8 * n) for n in range(4))
    place = start + at
    goal = place + length + 4 + np.asarray(offset, np.uint32).view(np.int32).astype(np.int64)
    return [int(address) for address in place[np.isin(goal, goals)]]


def _array(addresses: Iterable[int]) -> Addresses:
    return np.fromiter(addresses, np.int64)
