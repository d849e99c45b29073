"""TensorFlow's device-placement log, read back from the file that file descriptor 2 writes to."""

from __future__ import annotations

import re
from pathlib import Path

from opcheck.worker.protocol import DeviceLogEntry

# placer.cc: LOG(INFO) << node.name() << ": (" << node.type_string() << "): " << assigned device
_LINE = re.compile(r"placer\.cc:\d+\] (?P<name>\S+): \((?P<op>\w+)\): (?P<device>\S+)\s*$")

# Not the model's: the edges of a function, in every version's spelling.
_BOUNDARY = frozenset({"_Arg", "_Retval", "_DeviceArg", "_DeviceRetval"})


def read_device_log(path: Path, offset: int) -> tuple[DeviceLogEntry, ...]:
    """The placer's lines written to ``path`` after ``offset`` (bytes), in order."""
    with path.open("rb") as log:
        log.seek(offset)
        text = log.read().decode("utf-8", "replace")
    return tuple(
        DeviceLogEntry(found["name"], found["op"], _device(found["device"]))
        for line in text.splitlines()
        if (found := _LINE.search(line)) and found["op"] not in _BOUNDARY
    )


def _device(full: str) -> str:
    """``/job:localhost/replica:0/task:0/device:GPU:0`` -> ``GPU:0``."""
    return full.rpartition("device:")[2]
