"""Closes the network to this process and its children, where Linux allows it without privileges.

A seccomp filter makes ``socket`` and ``io_uring_setup`` fail, for every kind of socket, so local
daemons are out of reach too. Where the kernel has no filters, or on a processor whose system calls
are not listed here, a network namespace of its own is tried. Sources: seccomp(2), unshare(2),
linux/seccomp.h, linux/filter.h, linux/audit.h, asm/unistd_64.h, asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_IO_URING_SETUP = 425  # could open sockets without `socket`
_X32 = 0x40000000  # the same processor's other system calls begin here

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER_MODE = 22, 38, 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: ld [k], jeq k, jge k, ret k
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # in struct seccomp_data
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def close() -> bool:
    """Whether the network is closed from now on."""
    return sys.platform == "linux" and (_filter() or _namespace())


def _filter() -> bool:
    machine = platform.machine()
    if machine not in _SOCKET or struct.calcsize("P") != 8:
        return False
    program = _program(machine)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    # struct sock_fprog
    header = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(header), 0, 0) == 0)


def _program(machine: str) -> list[tuple[int, int, int, int]]:
    """Instructions: code, lines to skip if true, if false, operand."""
    return [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 0, 5, _AUDIT_ARCH[machine]),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 3, 0, _X32),
        (_EQUAL, 2, 0, _SOCKET[machine]),
        (_EQUAL, 1, 0, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]


def _namespace() -> bool:
    """Alone with a loopback device that is down; as root at once, else through a user namespace."""
    unshare = ctypes.CDLL(None).unshare
    return any(unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))
