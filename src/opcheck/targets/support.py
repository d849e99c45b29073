"""What a target's accelerator has for an op, and which versions of the plugin have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from opcheck.targets.index import known_targets
from opcheck.targets.kernels import DEFAULT, KernelDef, Needs, Origin
from opcheck.targets.resolve import resolve
from opcheck.targets.target import Target
from opcheck.targets.versions import Span, on_other_systems, spans

Fact = tuple[str, Origin, str, str, tuple[str, ...], Needs]
"""Of a kernel: device, origin, attribute, one of its types, host memory, what it requires."""


class Support(msgspec.Struct, frozen=True):
    """The kernels of one op on one device that come from one place, agree on host memory and on
    what they require of the system, and are in the same versions.

    ``attr`` is empty, and ``types`` too, where the kernels take every type. ``here`` says whether
    the target itself has them. ``spans`` are the versions that do, oldest first, on a system that
    has what they require.
    """

    device: str
    origin: Origin
    attr: str
    types: tuple[str, ...]
    host_memory: tuple[str, ...]
    requires: Needs
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
    """What ``versions``, oldest first, have for ``op`` there, on its system or on another."""
    elsewhere = on_other_systems(target, op)
    have = [facts((*accelerated(v, op), *elsewhere.get(v.version, ()))) for v in versions]
    here = facts(accelerated(target, op))
    names = [version.version for version in versions]
    found: dict[tuple[Fact, bool, tuple[Span, ...]], list[str]] = {}
    for fact in sorted(set().union(*have)):
        device, origin, attr, value, host_memory, requires = fact
        kind = (device, origin, attr, "", host_memory, requires)
        held = spans([fact in each for each in have], names)
        found.setdefault((kind, fact in here, held), []).append(value)
    return tuple(
        Support(device, origin, attr, tuple(types) if attr else (), host, requires, there, held)
        for ((device, origin, attr, _, host, requires), there, held), types in found.items()
    )


def facts(kernels: Iterable[KernelDef]) -> set[Fact]:
    """What each says of one attribute and type; of no attribute, where it takes every type."""
    return {
        (kernel.device, kernel.origin, attr, value, kernel.host_memory, kernel.requires)
        for kernel in kernels
        for attr, values in (kernel.constraints or (("", ("",)),))
        for value in values
    }
