"""Compiles device.cc against the installed TensorFlow, once for each of its builds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
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
_ROOT = 0
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
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

    Two processes that build at once get the same file: the second one waits for the first. A file
    that another user could have put there is not loaded but built again.

    Raises:
        EmulatorError: no compiler, a failed compilation, or a cache that cannot be written or that
            belongs to somebody else.
    """
    compiler = find_compiler()
    tensorflow = installed()
    library = cache / "emulator" / f"device-{_key(compiler, tensorflow)}.so"
    try:
        _private_folder(library.parent)
        if not _is_ours(library):
            with _locked(library.parent):
                if not _is_ours(library):
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


def _private_folder(folder: Path) -> None:
    """Make ``folder`` one that only this user may write, for TensorFlow loads what is in it.

    Raises:
        EmulatorError: it is a link, or somebody else's.
        OSError: it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), _ROOT):
        raise EmulatorError(
            f"{folder} is a link, or belongs to another user, who could have put code there.",
            hint="Name a folder of your own in OPCHECK_CACHE_DIR.",
        )
    if found.st_mode & _WRITABLE_BY_OTHERS and found.st_uid == os.geteuid():
        folder.chmod(0o700)


def _is_ours(library: Path) -> bool:
    """Whether the file is there, and nobody but this user (or root) can have written it."""
    try:
        found = library.lstat()
    except FileNotFoundError:
        return False
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_uid in (os.geteuid(), _ROOT)
        and not found.st_mode & _WRITABLE_BY_OTHERS
    )


def _compile(compiler: list[str], tensorflow: Installed, library: Path) -> None:
    """Build ``library``, which appears whole or not at all: in between, all is temporary files."""
    with tempfile.TemporaryDirectory(prefix="opcheck-") as folder:
        built = Path(folder) / library.name
        _run(compiler, tensorflow, built)
        built.chmod(0o700)
        _place(built, library)


def _place(built: Path, library: Path) -> None:
    partial = library.with_suffix(".partial")  # one name: what a crash leaves, the next one takes
    partial.unlink(missing_ok=True)
    try:
        shutil.copy(built, partial)
        partial.replace(library)
    finally:
        partial.unlink(missing_ok=True)


def _run(compiler: list[str], tensorflow: Installed, built: Path) -> None:
    command = [
        *compiler,
        *(flag for flag in tensorflow.compile_flags if not flag.startswith("--std")),
        *_FLAGS,
        str(SOURCE),
        "-o",
        str(built),
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
    except subprocess.TimeoutExpired as error:
        raise EmulatorError(
            f"{compiler[0]} did not finish building the emulated device in {_TIMEOUT:g} s."
        ) from error


def _complaint(output: str) -> str:
    """The compiler's first error; the rest mostly follows from it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    first = next((line for line in lines if "error" in line), lines[-1] if lines else "no message")
    return first[:_LONGEST].rstrip(".")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder, which the system releases even if the process is killed."""
    import fcntl  # not on Windows, where nothing is built

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
