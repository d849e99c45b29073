"""``std::string`` in an emulated machine: libc++'s two layouts and libstdc++'s.

Sources: libc++ ``include/string`` (``_LIBCPP_ABI_ALTERNATE_STRING_LAYOUT`` is Apple's arm64),
libstdc++ ``bits/basic_string.h`` (the ``__cxx11`` one).
"""

from __future__ import annotations

from opcheck.extract.machine import Fault, Machine

_LIMIT = 1 << 20


def size_of(m: Machine) -> int:
    """``sizeof(std::string)``."""
    return 32 if m.image.container == "elf" else 24


def get(m: Machine, address: int) -> bytes:
    """The content of the string object at ``address``."""
    if m.image.container == "elf":
        data, size = m.word(address), m.word(address + 8)
    elif m.image.arch == "arm64":
        last = m.read(address + 23, 1)[0]
        long = last & 0x80
        data, size = (m.word(address), m.word(address + 8)) if long else (address, last)
    else:
        first = m.read(address, 1)[0]
        long = first & 1
        data, size = (
            (m.word(address + 16), m.word(address + 8)) if long else (address + 1, first >> 1)
        )
    if size > _LIMIT:
        raise Fault(f"it made a string of {size} bytes")
    return m.read(data, size) if size else b""


def put(m: Machine, address: int, text: bytes) -> None:
    """Construct a string object at ``address``."""
    if len(text) > _LIMIT:
        raise Fault(f"it made a string of {len(text)} bytes")
    data = m.put(text + b"\0")
    if m.image.container == "elf":
        short = len(text) < 16
        m.set_word(address, address + 16 if short else data)
        m.set_word(address + 8, len(text))
        m.write(address + 16, text + b"\0" if short else len(text).to_bytes(8, "little"))
        return
    # Always the long form: every reader understands it.
    capacity = len(text) + 1 + (len(text) + 1) % 2
    if m.image.arch == "arm64":
        fields = (data, len(text), capacity | 1 << 63)
    else:
        fields = (capacity | 1, len(text), data)
    for index, value in enumerate(fields):
        m.set_word(address + 8 * index, value)
