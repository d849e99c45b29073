"""The C++ compiler of this machine; no TensorFlow is needed to tell whether there is one."""

from __future__ import annotations

import os
import shlex
import shutil
import sys

from opcheck.errors import EmulatorError

_COMPILERS = ("g++", "clang++", "c++")

COMPILER_HINT = (
    "Install a C++17 compiler (Debian and Ubuntu: apt-get install g++; macOS: xcode-select "
    "--install), or name one in CXX."
)


def find_compiler() -> list[str]:
    """The compiler's command; CXX may hold options, as make and CMake allow.

    Raises:
        EmulatorError: there is none, or this is Windows.
    """
    if sys.platform == "win32":
        raise EmulatorError(
            "The emulated device cannot be built on Windows.",
            hint="Use --evidence predicted, or run opcheck on Linux or in WSL.",
        )
    named = shlex.split(os.environ.get("CXX", ""))
    if named:
        if shutil.which(named[0]) is None:
            raise EmulatorError(
                f"CXX names {named[0]}, which is no program here.", hint=COMPILER_HINT
            )
        return named
    for name in _COMPILERS:
        if shutil.which(name) is not None:
            return [name]
    raise EmulatorError(
        "The emulated device cannot be built: no C++ compiler was found.", hint=COMPILER_HINT
    )
