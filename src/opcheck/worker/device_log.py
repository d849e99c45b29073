"""TensorFlow's device-placement log, read back from the file that file descriptor 2 writes to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from opcheck.worker.protocol import DeviceLogEntry, NamedOp

# placer.cc: LOG(INFO) << node.name() << ": (" << node.type_string() << "): " << assigned device
_LINE = re.compile(r"placer\.cc:\d+\] (?P<name>\S+): \((?P<op>\w+)\): (?P<device>\S+)\s*$")

# Not the model's: the edges of a function, in every version's spelling.
_BOUNDARY = frozenset({"_Arg", "_Retval", "_DeviceArg", "_DeviceRetval"})


# device.cc, when it makes a kernel that the CPU has not.
_ZEROS = re.compile(r"opcheck-emulator: zeros for (?P<name>\S+) \((?P<op>\w+)\)")


class DeviceLog(NamedTuple):
    """Where ops were put, in order, and which of them gave zeros in place of their numbers."""

    placements: tuple[DeviceLogEntry, ...]
    zeros: tuple[NamedOp, ...]


def read_device_log(path: Path, offset: int) -> DeviceLog:
    """What the placer and the emulated device wrote to ``path`` after ``offset`` (bytes)."""
    with path.open("rb") as log:
        log.seek(offset)
        text = log.read().decode("utf-8", "replace")
    placements = (
        DeviceLogEntry(found["name"], found["op"], _device(found["device"]))
        for line in text.splitlines()
        if (found := _LINE.search(line)) and found["op"] not in _BOUNDARY
    )
    zeros = (NamedOp(found["name"], found["op"]) for found in _ZEROS.finditer(text))
    return DeviceLog(tuple(placements), tuple(dict.fromkeys(zeros)))


def _device(full: str) -> str:
    """``/job:localhost/replica:0/task:0/device:GPU:0`` -> ``GPU:0``."""
    return full.rpartition("device:")[2]
