"""The system around a library: what the C and C++ run-times answer, in one place."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from opcheck.extract import libc, libcxx, libstdcxx
from opcheck.extract.machine import Handler, Machine, Object


def handlers(symbols: Iterable[str]) -> dict[str, Handler]:
    """A handler for each of ``symbols`` that needs a true answer."""
    known = {**libc.HANDLERS, **libcxx.HANDLERS, **libstdcxx.HANDLERS, **_PROTOBUF}
    return {symbol: known[symbol] for symbol in symbols if symbol in known}


def objects(symbols: Iterable[str]) -> dict[str, Object]:
    """Data of the system: virtual tables, type information, the stack's canary."""
    found: dict[str, Object] = {"__stack_chk_guard": _canary}
    for symbol in symbols:
        if symbol in libcxx.OBJECTS:
            found[symbol] = libcxx.OBJECTS[symbol]
        elif symbol.startswith("_ZTV"):
            found[symbol] = _vtable
        elif symbol.startswith("_ZTT"):
            found[symbol] = _vtables
        elif symbol.startswith("_ZTI"):
            found[symbol] = _type_info(symbol.removeprefix("_ZTI"))
    return found


def _canary(m: Machine) -> int:
    return m.put(b"\0canary\0")


def _vtable(m: Machine) -> int:
    """Every method does nothing."""
    return m.put(bytes(16) + m.nothing.to_bytes(8, "little") * 64)


def _vtables(m: Machine) -> int:
    """The virtual tables of a class with virtual bases; each base is at offset 0."""
    table = m.put(bytes(32) + m.nothing.to_bytes(8, "little") * 64)
    return m.put((table + 32).to_bytes(8, "little") * 16)


def _type_info(name: str) -> Object:
    """``std::type_info``: a virtual table, then the mangled name."""

    def make(m: Machine) -> int:
        return m.put(struct.pack("<4Q", _vtable(m) + 16, m.put(name.encode() + b"\0"), 0, 0))

    return make


def _ignore(_m: Machine) -> None:
    """A call whose effect no kernel registration needs."""


# The descriptors of generated messages: long work, and nothing to do with kernels.
_PROTOBUF: dict[str, Handler] = {
    "_ZN6google8protobuf8internal14AddDescriptorsEPKNS1_15DescriptorTableE": _ignore,
    "_ZN6google8protobuf8internal20AddDescriptorsRunnerC1EPKNS1_15DescriptorTableE": _ignore,
    "_ZN6google8protobuf8internal20AddDescriptorsRunnerC2EPKNS1_15DescriptorTableE": _ignore,
}
