"""The few functions of LLVM's C++ library that templates in other libraries rely on."""

from __future__ import annotations

from opcheck.extract import strings
from opcheck.extract.machine import Handler, Machine, Object


def _next_prime(m: Machine) -> int:
    """The smallest prime not below the argument; 0 for 0, as libc++ has it."""
    n = m.arg(0)
    if n > 1 << 24:
        n |= 1  # no table of ours gets that large: any odd number serves
        return n
    while n > 2 and any(n % d == 0 for d in range(2, int(n**0.5) + 1)):
        n += 1
    return n


def _string_copy(m: Machine) -> int:
    """``string(const string&)`` and ``operator=(const string&)``."""
    strings.put(m, m.arg(0), strings.get(m, m.arg(1)))
    return m.arg(0)


def _string_assign(m: Machine) -> int:
    """``assign(const char*)``."""
    strings.put(m, m.arg(0), m.text(m.arg(1)).encode())
    return m.arg(0)


def _string_append(m: Machine) -> int:
    """``append(const char*)``."""
    strings.put(m, m.arg(0), strings.get(m, m.arg(0)) + m.text(m.arg(1)).encode())
    return m.arg(0)


def _string_append_n(m: Machine) -> int:
    """``append(const char*, size_t)``."""
    more = m.read(m.arg(1), m.arg(2)) if m.arg(2) else b""
    strings.put(m, m.arg(0), strings.get(m, m.arg(0)) + more)
    return m.arg(0)


def _string_init(m: Machine) -> int:
    """``__init(const char*, size_t)`` and ``__init_copy_ctor_external``."""
    strings.put(m, m.arg(0), m.read(m.arg(1), m.arg(2)) if m.arg(2) else b"")
    return m.arg(0)


def _stream_text(m: Machine) -> int:
    """``stringbuf::str()``: nothing was written."""
    strings.put(m, m.returned(), b"")
    return m.returned()


def _sentry(m: Machine) -> int:
    """``ostream::sentry(ostream&)``: the stream is not good, so nothing is formatted."""
    m.write(m.arg(0), b"\0")
    return m.arg(0)


def _facet(m: Machine) -> int:
    """``locale::use_facet``: an object whose every method does nothing."""
    return _polymorphic(m)


def _polymorphic(m: Machine) -> int:
    table = m.put(bytes(32) + m.nothing.to_bytes(8, "little") * 64)
    return m.put((table + 32).to_bytes(8, "little") + bytes(504))


_STRING = "_ZNSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE"
HANDLERS: dict[str, Handler] = {
    "_ZNSt3__112__next_primeEm": _next_prime,
    "_ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEE6sentryC1ERS3_": _sentry,
    "_ZNKSt3__115basic_stringbufIcNS_11char_traitsIcEENS_9allocatorIcEEE3strEv": _stream_text,
    "_ZNKSt3__16locale9use_facetERNS0_2idE": _facet,
    _STRING + "C1ERKS5_": _string_copy,
    _STRING + "aSERKS5_": _string_copy,
    _STRING + "6assignEPKc": _string_assign,
    _STRING + "6assignEPKcm": _string_init,
    _STRING + "6appendEPKc": _string_append,
    _STRING + "6appendEPKcm": _string_append_n,
    _STRING + "6__initEPKcm": _string_init,
    _STRING + "25__init_copy_ctor_externalEPKcm": _string_init,
}

OBJECTS: dict[str, Object] = {
    # Streams: a virtual table whose offset to the base class is 0.
    "_ZNSt3__14coutE": _polymorphic,
    "_ZNSt3__14cerrE": _polymorphic,
}
