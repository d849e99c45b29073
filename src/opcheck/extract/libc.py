"""Plausible answers for the C, C++ and Objective-C run-times: just enough to register kernels."""

from __future__ import annotations

from opcheck.extract.machine import Fault, Handler, Machine


def _malloc(m: Machine) -> int:
    return m.alloc(m.arg(0))


def _calloc(m: Machine) -> int:
    return m.alloc(m.arg(0) * m.arg(1))


def _aligned_alloc(m: Machine) -> int:
    alignment = m.arg(0)
    return -(-m.alloc(m.arg(1) + alignment) // alignment) * alignment


def _aligned_new(m: Machine) -> int:
    alignment = m.arg(1)
    return -(-m.alloc(m.arg(0) + alignment) // alignment) * alignment


def _demangle(m: Machine) -> int:
    """The mangled name itself: nobody here reads it."""
    if m.arg(3):
        m.write(m.arg(3), bytes(4))
    return m.put(m.text(m.arg(0)).encode() + b"\0")


def _posix_memalign(m: Machine) -> int:
    alignment = m.arg(1)
    address = -(-m.alloc(m.arg(2) + alignment) // alignment) * alignment
    m.write(m.arg(0), address.to_bytes(8, "little"))
    return 0


def _realloc(m: Machine) -> int:
    old, size = m.arg(0), m.arg(1)
    new = m.alloc(size)
    if old:
        m.write(new, m.read(old, size))  # the heap is one run: reading past the old end is safe
    return new


def _memcpy(m: Machine) -> int:
    if m.arg(2):
        m.write(m.arg(0), m.read(m.arg(1), m.arg(2)))
    return m.arg(0)


def _memset(m: Machine) -> int:
    m.fill(m.arg(0), m.arg(1) & 0xFF, m.arg(2))
    return m.arg(0)


def _memset_pattern16(m: Machine) -> None:
    pattern, size = m.read(m.arg(1), 16), min(m.arg(2), 1 << 28)
    m.write(m.arg(0), (pattern * (size // 16 + 1))[:size])


def _bzero(m: Machine) -> None:
    m.fill(m.arg(0), 0, m.arg(1))


def _compare(left: bytes, right: bytes) -> int:
    return (left > right) - (left < right)


def _memcmp(m: Machine) -> int:
    size = m.arg(2)
    return _compare(m.read(m.arg(0), size), m.read(m.arg(1), size)) if size else 0


def _strcmp(m: Machine) -> int:
    return _compare(m.text(m.arg(0)).encode(), m.text(m.arg(1)).encode())


def _strncmp(m: Machine) -> int:
    size = m.arg(2)
    return _compare(m.text(m.arg(0)).encode()[:size], m.text(m.arg(1)).encode()[:size])


def _strlen(m: Machine) -> int:
    return len(m.text(m.arg(0)).encode())


def _memchr(m: Machine) -> int:
    at = m.read(m.arg(0), m.arg(2)).find(bytes([m.arg(1) & 0xFF])) if m.arg(2) else -1
    return m.arg(0) + at if at >= 0 else 0


def _self(_m: Machine) -> int:
    """The one thread; not 0, which stands for no thread."""
    return 1


def _thread_local(m: Machine) -> int:
    """``__tls_get_addr(index)``: zeroed storage, the same for the same index each time.

    The loader leaves indices alone, so the first word of one can remember its block.
    """
    index = m.arg(0)
    if not m.word(index):
        m.set_word(index, m.alloc(1 << 16))
    return m.word(index) + m.word(index + 8)


def _guard_acquire(m: Machine) -> int:
    """1 the first time: a function-local static is initialised once."""
    return 0 if m.read(m.arg(0), 1)[0] else 1


def _guard_release(m: Machine) -> None:
    m.write(m.arg(0), b"\1")


def _once(m: Machine, function: int, argument: int) -> int | None:
    """A predicate that is done is -1, as in <dispatch/once.h>: inlined callers look at it."""
    done = m.word(m.arg(0)) == 2**64 - 1
    m.set_word(m.arg(0), 2**64 - 1)
    if done:
        return 0
    m.jump(function, argument)
    return None


def _dispatch_once(m: Machine) -> int | None:
    """``dispatch_once(predicate, block)``; a block's function is its third word."""
    return _once(m, m.word(m.arg(1) + 16), m.arg(1))


def _dispatch_once_f(m: Machine) -> int | None:
    """``dispatch_once_f(predicate, context, function)``."""
    return _once(m, m.arg(2), m.arg(1))


def _throw(m: Machine) -> None:
    """``__cxa_throw(object, type_info, destructor)``; a type_info holds its name second."""
    raise Fault(f"it threw {m.text(m.word(m.arg(1) + 8))}")


def _abort(_m: Machine) -> None:
    raise Fault("it aborted")


def _heap_alloc(m: Machine) -> int:
    """``HeapAlloc(heap, flags, size)``, which Windows' ``malloc`` calls."""
    return m.alloc(m.arg(2))


HANDLERS: dict[str, Handler] = {
    "HeapAlloc": _heap_alloc,
    "malloc": _malloc,
    "calloc": _calloc,
    "realloc": _realloc,
    "aligned_alloc": _aligned_alloc,
    "posix_memalign": _posix_memalign,
    "_Znwm": _malloc,
    "_Znam": _malloc,
    "_ZnwmRKSt9nothrow_t": _malloc,
    "_ZnwmSt11align_val_t": _aligned_new,
    "_ZnamSt11align_val_t": _aligned_new,
    "_ZnwmSt11align_val_tRKSt9nothrow_t": _aligned_new,
    "__cxa_demangle": _demangle,
    "pthread_self": _self,
    "__tls_get_addr": _thread_local,
    "memcpy": _memcpy,
    "memmove": _memcpy,
    "memset": _memset,
    "memset_pattern16": _memset_pattern16,
    "__cxa_allocate_exception": _malloc,
    "bzero": _bzero,
    "__bzero": _bzero,
    "memcmp": _memcmp,
    "bcmp": _memcmp,
    "memchr": _memchr,
    "strcmp": _strcmp,
    "strncmp": _strncmp,
    "strlen": _strlen,
    "__cxa_guard_acquire": _guard_acquire,
    "__cxa_guard_release": _guard_release,
    "dispatch_once": _dispatch_once,
    "dispatch_once_f": _dispatch_once_f,
    "__cxa_throw": _throw,
    "_Unwind_Resume": _abort,
    "abort": _abort,
    "__stack_chk_fail": _abort,
    "_ZSt9terminatev": _abort,
}
