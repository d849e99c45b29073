"""Which other versions of a plugin have a kernel for a node. Reads plugin files only, once each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from packaging.version import Version

from opcheck.targets import store
from opcheck.targets.index import DATA, known_targets
from opcheck.targets.kernels import DEFAULT, KernelDef
from opcheck.targets.support import Span, spans
from opcheck.targets.target import Target


def versions_with(target: Target, op: str, attrs: Mapping[str, object]) -> tuple[Span, ...]:
    """The versions, oldest first, of the target's plugin that register ``op`` for such a node.

    On its architecture, and on any system: `systems_with` tells those. Kernels of the TensorFlow
    beside it do not count.
    """
    known = _kernels(target.plugin, target.arch, op)
    held = [bool(_matching(kernels, target, attrs)) for kernels in known.values()]
    return spans(held, tuple(known))


def systems_with(
    target: Target, op: str, attrs: Mapping[str, object]
) -> tuple[tuple[str, str], ...]:
    """What a system must have, such as ``("macos", ">=13")``, for this version to register it."""
    kernels = _kernels(target.plugin, target.arch, op).get(target.version, ())
    found = _matching(kernels, target, attrs)
    return tuple(dict.fromkeys(need for kernel in found for need in kernel.requires))


def _matching(
    kernels: tuple[KernelDef, ...], target: Target, attrs: Mapping[str, object]
) -> list[KernelDef]:
    devices = (target.device_type, DEFAULT)
    return [k for k in kernels if k.device in devices and k.matches(attrs)]


@cache
def _kernels(plugin: str, arch: str | None, op: str) -> Mapping[str, tuple[KernelDef, ...]]:
    """Version -> what it registers for ``op``, oldest version first."""
    return {version: tuple(file.of(op)) for version, file in _registries(plugin, arch)}


@cache
def _registries(plugin: str, arch: str | None) -> tuple[tuple[str, store.RegistryFile], ...]:
    ours = {t.version: t.registry for t in known_targets() if (t.plugin, t.arch) == (plugin, arch)}
    return tuple(
        (version, store.read(DATA / f"{ours[version]}.json"))
        for version in sorted(ours, key=Version)
    )
