"""The checks by which a plugin finds out what its Mac can do.

There are two kinds. Compiled from ``@available(macOS 12.3, *)``: the compiler's run-time library
looks ``_availability_version_check`` up with ``dlsym``, once, and asks it. And from 0.7.0 on
tensorflow-metal asks ``[MPSGraph instancesRespondToSelector: ...]``. `Gates` answers both as a
given macOS would, and remembers from which versions on the answers differ.
"""

from __future__ import annotations

import struct

from packaging.version import Version

from opcheck.errors import ExtractError
from opcheck.extract.machine import Handler, Machine

_SELECTORS = {
    # MPSGraph's GRU came with macOS 13: Apple's documentation of
    # -[MPSGraph GRUWithSourceTensor:recurrentWeight:inputWeight:bias:initState:descriptor:name:].
    "GRUWithSourceTensor:recurrentWeight:inputWeight:bias:initState:descriptor:name:": "13",
}
_QUESTIONS = ("instancesRespondToSelector:", "respondsToSelector:")
_MACOS = 1  # PLATFORM_MACOS of mach-o/loader.h

NEWEST = Version("1000")
"""Stands for a macOS on which every check succeeds."""


class Gates:
    """The answers of macOS ``macos``."""

    def __init__(self, macos: Version = NEWEST) -> None:
        self.macos = macos
        self.asked: set[Version] = set()
        """The versions of macOS that were asked for."""

    def handlers(self) -> dict[str, Handler]:
        return {
            "NSClassFromString": self._class,
            "objc_msgSend": self._send,
            "dlsym": lambda m: m.stub(m.text(m.arg(1))),
            "_availability_version_check": self._available,
        }

    def _has(self, version: Version) -> bool:
        self.asked.add(version)
        return self.macos >= version

    def _class(self, m: Machine) -> int:
        return m.alloc(64)

    def _send(self, m: Machine) -> int:
        if not m.arg(0) or m.text(m.arg(1)) not in _QUESTIONS:
            return 0
        selector = m.text(m.arg(2))
        if selector not in _SELECTORS:
            raise ExtractError(
                f"The plugin asks whether Metal has '{selector}'.",
                hint="Record the macOS version that brought it in opcheck/extract/apple.py.",
            )
        return int(self._has(Version(_SELECTORS[selector])))

    def _available(self, m: Machine) -> int:
        """``_availability_version_check(count, pairs of platform and version)``; a version has a
        byte each for minor and patch (compiler-rt, lib/builtins/os_version_check.c)."""
        count = min(m.arg(0) & 0xFFFF_FFFF, 16)
        pairs = struct.iter_unpack("<II", m.read(m.arg(1), 8 * count))
        wanted = [number for platform, number in pairs if platform == _MACOS]
        return int(all(self._has(_version(number)) for number in wanted))


def _version(number: int) -> Version:
    parts = [number >> 16, number >> 8 & 0xFF, number & 0xFF]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return Version(".".join(map(str, parts)))
