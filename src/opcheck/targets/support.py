"""What a target's accelerator has for an op, and since which version of the plugin."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opcheck.targets.index import known_targets
from opcheck.targets.kernels import DEFAULT, KernelDef, Origin
from opcheck.targets.resolve import resolve
from opcheck.targets.target import Target


class Support(msgspec.Struct, frozen=True):
    """The kernels of one op on one device that come from one place and agree on host memory.

    ``attr`` is empty, and ``types`` too, where the kernels take every type. ``since`` is the
    version from which on all of it is there; ``oldest`` says that no older version is known.
    """

    device: str
    origin: Origin
    attr: str
    types: tuple[str, ...]
    host_memory: tuple[str, ...]
    since: str
    oldest: bool


def accelerated(target: Target, op: str) -> tuple[KernelDef, ...]:
    """The kernels that could serve ``op`` on the accelerator: its own and the device-generic."""
    registry = target.registry
    return registry.kernels(op, target.device_type) + registry.kernels(op, DEFAULT)


def accelerated_ops(target: Target) -> tuple[str, ...]:
    """Every op with a kernel there, by name."""
    registry = target.registry
    return tuple(sorted(op for op in registry.ops() if registry.has_op(op, target.device_type)))


def history(target: Target, macos: str | None = None) -> tuple[Target, ...]:
    """The target and its older versions on the same system, newest first, each beside the
    TensorFlow that it pairs with."""
    labels = [
        t.label for t in known_targets() if (t.plugin, t.arch) == (target.plugin, target.arch)
    ]
    options = f",macos={macos}" if macos else ""
    options += f",arch={target.arch}" if target.arch else ""
    older = labels[labels.index(target.label) + 1 :]
    return (target, *(resolve(label + options) for label in older))


def support(versions: Sequence[Target], op: str) -> tuple[Support, ...]:
    """What ``versions[0]`` has for ``op`` there; the versions are newest first."""
    found: dict[tuple[str, Origin, str, tuple[str, ...], int], list[str]] = {}
    have = [_facts(target, op) for target in versions]
    for fact in sorted(have[0]):
        age = next((n for n, facts in enumerate(have) if fact not in facts), len(have)) - 1
        device, origin, attr, value, host_memory = fact
        found.setdefault((device, origin, attr, host_memory, age), []).append(value)
    return tuple(
        Support(
            device=device,
            origin=origin,
            attr=attr,
            types=tuple(values) if attr else (),
            host_memory=host_memory,
            since=versions[age].version,
            oldest=age == len(versions) - 1,
        )
        for (device, origin, attr, host_memory, age), values in found.items()
    )


def _facts(target: Target, op: str) -> set[tuple[str, Origin, str, str, tuple[str, ...]]]:
    """(device, origin, attribute, one of its types, host memory) of every kernel."""
    return {
        (kernel.device, kernel.origin, attr, value, kernel.host_memory)
        for kernel in accelerated(target, op)
        for attr, values in (kernel.constraints or (("", ("",)),))
        for value in values
    }
