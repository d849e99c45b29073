"""Compiles device.cc against the installed TensorFlow, once for each of its builds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opcheck.emulator.compiler import COMPILER_HINT, find_compiler
from opcheck.errors import EmulatorError

SOURCE = Path(__file__).with_name("device.cc")
# Nothing that runs in the library is worth optimizing: the CPU kernels do the work.
_FLAGS = ("-std=c++17", "-O0", "-shared", "-fPIC", "-w")
_LONGEST = 400  # characters of a compiler's message
_TIMEOUT = 300.0  # seconds; a loaded machine may need long, a hung compiler must not hang a check


@dataclass(frozen=True)
class Installed:
    """What the build must know of the installed TensorFlow."""

    version: str
    git_version: str
    library_folder: str
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]


def installed() -> Installed:
    """The TensorFlow of this process."""
    import tensorflow as tf

    return Installed(
        tf.version.VERSION,
        tf.version.GIT_VERSION,
        tf.sysconfig.get_lib(),
        tuple(tf.sysconfig.get_compile_flags()),
        tuple(tf.sysconfig.get_link_flags()),
    )


def build(cache: Path) -> Path:
    """The device for the installed TensorFlow, from ``cache`` if it is there.

    Two processes that build at once get the same file: the second one waits for the first.

    Raises:
        EmulatorError: no compiler, a failed compilation, or a cache that cannot be written.
    """
    compiler = find_compiler()
    tensorflow = installed()
    library = cache / "emulator" / f"device-{_key(compiler, tensorflow)}.so"
    if library.exists():
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with _locked(library.with_suffix(".lock")):
            if not library.exists():
                _compile(compiler, tensorflow, library)
    except OSError as error:
        raise EmulatorError(
            f"The emulated device could not be stored in {cache}: {error.strerror or error}.",
            hint="Name a folder that can be written in OPCHECK_CACHE_DIR.",
        ) from error
    return library


def _key(compiler: list[str], tensorflow: Installed) -> str:
    """Names everything that the library depends on."""
    identity = subprocess.run(
        [*compiler, "--version"], capture_output=True, text=True, timeout=_TIMEOUT, check=False
    ).stdout.partition("\n")[0]
    parts = (
        tensorflow.version,
        tensorflow.git_version,
        # It ends up in the library, and another environment has another one.
        tensorflow.library_folder,
        SOURCE.read_text(encoding="utf-8"),
        *_FLAGS,
        *compiler,
        identity,
    )
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"{tensorflow.version}-{digest}"


def _compile(compiler: list[str], tensorflow: Installed, library: Path) -> None:
    handle, name = tempfile.mkstemp(dir=library.parent, prefix=library.stem, suffix=".partial")
    os.close(handle)
    partial = Path(name)
    command = [
        *compiler,
        *(flag for flag in tensorflow.compile_flags if not flag.startswith("--std")),
        *_FLAGS,
        str(SOURCE),
        "-o",
        str(partial),
        *tensorflow.link_flags,
        f"-Wl,-rpath,{tensorflow.library_folder}",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, errors="replace", check=False
        )
        if done.returncode != 0:
            raise EmulatorError(
                f"{compiler[0]} could not build the emulated device for TensorFlow "
                f"{tensorflow.version}: {_complaint(done.stderr)}.",
                hint=COMPILER_HINT,
            )
        partial.replace(library)
    except subprocess.TimeoutExpired as error:
        raise EmulatorError(
            f"{compiler[0]} did not finish building the emulated device in {_TIMEOUT:g} s."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _complaint(output: str) -> str:
    """The compiler's first error; the rest mostly follows from it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    first = next((line for line in lines if "error" in line), lines[-1] if lines else "no message")
    return first[:_LONGEST].rstrip(".")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock file, which the system releases even if the process is killed."""
    import fcntl  # not on Windows, where nothing is built

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
