"""Memory, processor time, files and processes of a process that reads hostile files."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import msgspec

from opcheck.confine import network

GIB = 2**30
_LEAST_MEMORY = 4 * GIB
# The stacks and heaps of TensorFlow's threads, and its own data; none of it is the model's.
_OWN_MEMORY = 4 * GIB
_PER_PROCESSOR = 64 * 2**20
_MOST_FILES = 4096
_MOST_PROCESSES = 16_384  # all of the user's together, threads included
LARGEST_FILE = GIB  # the log and the answer among them
_CPU_SLACK = 60  # seconds beyond what every processor can do within the timeout


class Limits(msgspec.Struct, frozen=True):
    """``memory`` is in bytes (of data, TensorFlow's own comes on top), ``seconds`` wall-clock.

    ``parent`` is the process without which this one must end. ``file`` is how large a file may get.
    """

    parent: int
    memory: int
    seconds: float
    network: bool = False
    file: int = LARGEST_FILE

    def apply(self) -> None:
        """Bind this process. Call it before any thread is started."""
        _follow(self.parent)
        _limit(self)
        if not self.network:
            network.close()


def default_memory() -> int:
    """Half of what this machine (or container) has, in bytes, but enough for small models."""
    return max(_LEAST_MEMORY, _machine_memory() // 2)


def _machine_memory() -> int:
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):  # Windows
        return 0
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of a container: cgroup 2 and 1
        with contextlib.suppress(OSError, ValueError):
            found.append(int((Path("/sys/fs/cgroup") / name).read_text(encoding="ascii")))
    return min(found)


def _limit(limits: Limits) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    processors = os.cpu_count() or 1
    memory = limits.memory + _OWN_MEMORY + processors * _PER_PROCESSOR
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": int(limits.seconds * processors) + _CPU_SLACK,
        "RLIMIT_FSIZE": limits.file,
        "RLIMIT_NOFILE": _MOST_FILES,
        "RLIMIT_NPROC": _MOST_PROCESSES,
    }
    if sys.platform == "linux":
        # Not RLIMIT_AS: TensorFlow reserves address space that it never uses. macOS has neither.
        wanted["RLIMIT_DATA"] = memory
    for name, value in wanted.items():
        kind = getattr(resource, name)
        soft, hard = resource.getrlimit(kind)
        for bound in (soft, hard):
            if bound != resource.RLIM_INFINITY:
                value = min(value, bound)
        with contextlib.suppress(ValueError, OSError):
            # At the hard limit of processor time comes SIGKILL, which says nothing.
            resource.setrlimit(kind, (max(0, value - (name == "RLIMIT_CPU")), value))


def _follow(parent: int) -> None:
    """End with the parent even if that is killed, and be the first to go when memory runs out."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # gone before that
        os._exit(1)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
