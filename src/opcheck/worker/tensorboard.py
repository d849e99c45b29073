"""A TensorBoard log of a step: its graph with the devices, and a profile of one run."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from opcheck.worker.protocol import OpTime

_HOST = "/host:CPU"
# How the executor names the run of a kernel: NODE:OP. (op_kernel.cc, OpKernel::TraceString)
_KERNEL = re.compile(r"(?P<name>[^:\s]+):[A-Za-z_]\w*(#.*)?")
_EVERY_KERNEL = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3)
# It moved between versions.
_XPLANE = (
    "tensorflow.tsl.profiler.protobuf.xplane_pb2",
    "tensorflow.core.profiler.protobuf.xplane_pb2",
)


@contextlib.contextmanager
def graphs_kept() -> Iterator[None]:
    """Inside, TensorFlow keeps the graphs of functions that run for the first time."""
    tf.summary.trace_on(graph=True, profiler=False)
    try:
        yield
    finally:
        tf.summary.trace_off()


def record(run: Callable[[], object], folder: Path, name: str) -> tuple[OpTime, ...]:
    """Call ``run``, and write its profile and the graphs that were kept to ``folder``.

    What it runs must have run before, inside the same `graphs_kept`. Gives the time that each op
    took.
    """
    folder.mkdir(parents=True)
    tf.profiler.experimental.start(str(folder), _EVERY_KERNEL)
    try:
        run()
    finally:
        tf.profiler.experimental.stop()
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        tf.summary.trace_export(name, step=0)
    writer.close()
    (profile,) = folder.rglob("*.xplane.pb")
    return _times(profile.read_bytes())


def _times(profile: bytes) -> tuple[OpTime, ...]:
    space = _xspace()
    space.ParseFromString(profile)
    times: dict[str, int] = defaultdict(int)
    for plane in space.planes:
        if plane.name != _HOST:
            continue
        names = {
            key: found["name"]
            for key, metadata in plane.event_metadata.items()
            if (found := _KERNEL.fullmatch(metadata.name))
        }
        for line in plane.lines:
            kernels = [event for event in line.events if event.metadata_id in names]
            for event, self_time in _self_times(kernels):
                times[names[event.metadata_id]] += self_time
    return tuple(OpTime(name, time // 1000) for name, time in times.items())


def _self_times(events: Iterable[Any]) -> list[tuple[Any, int]]:
    """Each event of a thread with its own picoseconds: without the events that it encloses."""
    found: list[tuple[Any, int]] = []
    enclosing: list[int] = []  # positions in found
    for event in sorted(events, key=lambda e: (e.offset_ps, -e.duration_ps)):
        while enclosing and _end(found[enclosing[-1]][0]) <= event.offset_ps:
            enclosing.pop()
        if enclosing:
            outer, time = found[enclosing[-1]]
            found[enclosing[-1]] = (outer, max(0, time - event.duration_ps))
        enclosing.append(len(found))
        found.append((event, event.duration_ps))
    return found


def _end(event: Any) -> int:
    return int(event.offset_ps + event.duration_ps)


def _xspace() -> Any:
    for name in _XPLANE:
        try:
            return importlib.import_module(name).XSpace()
        except ImportError:
            continue
    raise ImportError(f"this TensorFlow has none of {', '.join(_XPLANE)}")
