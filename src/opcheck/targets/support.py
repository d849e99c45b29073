"""What a target's accelerator has for an op, and which versions of the plugin have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from opcheck.targets.index import known_targets
from opcheck.targets.kernels import DEFAULT, KernelDef, Origin
from opcheck.targets.resolve import resolve
from opcheck.targets.target import Target

Fact = tuple[str, Origin, str, str, tuple[str, ...]]
"""Of a kernel: device, origin, attribute, one of its types, host memory."""


class Span(msgspec.Struct, frozen=True):
    """Versions one after the other, the last included. ``oldest`` and ``newest``: it starts or ends
    with what is known."""

    first: str
    last: str
    oldest: bool
    newest: bool

    def __str__(self) -> str:
        first = f"{self.first} or earlier" if self.oldest else self.first
        if self.newest:
            return first
        return first if self.first == self.last else f"{first} to {self.last}"


class Support(msgspec.Struct, frozen=True):
    """The kernels of one op on one device that come from one place, agree on host memory and are
    in the same versions.

    ``attr`` is empty, and ``types`` too, where the kernels take every type. ``here`` says whether
    the target itself has them. ``spans`` are the versions that do, oldest first.
    """

    device: str
    origin: Origin
    attr: str
    types: tuple[str, ...]
    host_memory: tuple[str, ...]
    here: bool
    spans: tuple[Span, ...]


def accelerated(target: Target, op: str) -> tuple[KernelDef, ...]:
    """The kernels that could serve ``op`` on the accelerator: its own and the device-generic."""
    registry = target.registry
    return registry.kernels(op, target.device_type) + registry.kernels(op, DEFAULT)


def accelerated_ops(target: Target) -> tuple[str, ...]:
    """Every op with a kernel there, by name."""
    registry = target.registry
    return tuple(sorted(op for op in registry.ops() if registry.has_op(op, target.device_type)))


def history(target: Target) -> tuple[Target, ...]:
    """Every known version of the plugin on the same architecture and system, oldest first, each
    beside the TensorFlow that it pairs with; the target itself stands for its own version."""
    labels = dict.fromkeys(
        t.label
        for t in known_targets()
        if (t.plugin, t.arch) == (target.plugin, target.arch) and t.label != target.label
    )
    options = f",arch={target.arch}" if target.arch else ""
    options += f",macos={target.os_version}" if target.os_version else ""
    others = [resolve(label + options, nearest=True) for label in labels]
    return tuple(sorted((target, *others), key=lambda t: t.release))


def between(left: Target, right: Target) -> tuple[Target, ...]:
    """The versions of one plugin from the older to the newer of two; none for different plugins."""
    if (left.plugin, left.arch) != (right.plugin, right.arch) or left.label == right.label:
        return ()
    older, newer = sorted((left, right), key=lambda t: t.release)
    later = (t for t in history(newer) if older.release < t.release <= newer.release)
    return (older, *later)


def support(target: Target, versions: Sequence[Target], op: str) -> tuple[Support, ...]:
    """What ``versions``, oldest first, have for ``op`` there."""
    have = [facts(version, op) for version in versions]
    here = versions.index(target)
    names = [version.version for version in versions]
    found: dict[tuple[Fact, bool, tuple[Span, ...]], list[str]] = {}
    for fact in sorted(set().union(*have)):
        device, origin, attr, value, host_memory = fact
        held = tuple(fact in each for each in have)
        key = ((device, origin, attr, "", host_memory), held[here], spans(held, names))
        found.setdefault(key, []).append(value)
    return tuple(
        Support(device, origin, attr, tuple(values) if attr else (), host_memory, there, spans)
        for ((device, origin, attr, _, host_memory), there, spans), values in found.items()
    )


def spans(held: Sequence[bool], versions: Sequence[str]) -> tuple[Span, ...]:
    """The runs of ``versions``, oldest first, for which ``held`` is true."""
    return tuple(
        Span(
            first=versions[run[0]],
            last=versions[run[-1]],
            oldest=run[0] == 0,
            newest=run[-1] == len(versions) - 1,
        )
        for run in _runs(held)
    )


def _runs(held: Sequence[bool]) -> Iterator[list[int]]:
    for there, indices in groupby(range(len(held)), key=lambda n: held[n]):
        if there:
            yield list(indices)


def facts(target: Target, op: str) -> set[Fact]:
    """What every kernel of ``op`` there says of one attribute and type; of no attribute, where it
    takes every type."""
    return {
        (kernel.device, kernel.origin, attr, value, kernel.host_memory)
        for kernel in accelerated(target, op)
        for attr, values in (kernel.constraints or (("", ("",)),))
        for value in values
    }
