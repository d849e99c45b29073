"""Which other versions of a plugin have a kernel for a node. Reads plugin files only, once each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import TypeVar

import msgspec
from packaging.version import Version

from opcheck.targets import store
from opcheck.targets.index import DATA, known_targets
from opcheck.targets.kernels import DEFAULT, KernelDef, Needs
from opcheck.targets.target import Target

T = TypeVar("T")

_SYSTEMS = {"macos": "macOS"}


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
        if self.first != self.last:
            return f"{first} to {self.last}"
        return first if self.oldest else f"{first} only"


class Offer(msgspec.Struct, frozen=True):
    """Versions that have a kernel, and what the target's system lacks for it."""

    span: Span
    needs: Needs


def versions_with(target: Target, op: str, attrs: Mapping[str, object]) -> tuple[Offer, ...]:
    """The versions, oldest first, of the target's plugin that register ``op`` for such a node.

    On its architecture. Kernels of the TensorFlow beside it do not count.
    """
    known = _kernels(target.plugin, target.arch, op)
    needs = [_least(_matching(kernels, target, attrs), target) for kernels in known.values()]
    return tuple(Offer(span, need) for need, span in _runs(needs, tuple(known)) if need is not None)


def systems_with(target: Target, op: str, attrs: Mapping[str, object]) -> Needs:
    """What the target's system lacks for this version to register it."""
    kernels = _kernels(target.plugin, target.arch, op).get(target.version, ())
    return _least(_matching(kernels, target, attrs), target) or ()


def on_other_systems(target: Target, op: str) -> Mapping[str, tuple[KernelDef, ...]]:
    """By version, the plugin's kernels on the accelerator that the target's system is too old
    for."""
    return {
        version: tuple(k for k in _matching(kernels, target) if k.lacks(target.os_version))
        for version, kernels in _kernels(target.plugin, target.arch, op).items()
    }


def systems(needs: Needs) -> str:
    """``macOS 13 or newer``, of ``("macos", ">=13")``."""
    words = (f"{_SYSTEMS.get(w, w)} {v.removeprefix('>=')} or newer" for w, v in needs)
    return " and ".join(words)


def spans(held: Sequence[bool], versions: Sequence[str]) -> tuple[Span, ...]:
    """The runs of ``versions``, oldest first, for which ``held`` is true."""
    return tuple(span for there, span in _runs(held, versions) if there)


def _runs(values: Sequence[T], versions: Sequence[str]) -> Iterator[tuple[T, Span]]:
    """Each value with the versions, one after the other, that have it."""
    for value, group in groupby(range(len(values)), key=values.__getitem__):
        run = tuple(group)
        yield (
            value,
            Span(
                first=versions[run[0]],
                last=versions[run[-1]],
                oldest=run[0] == 0,
                newest=run[-1] == len(versions) - 1,
            ),
        )


def _least(kernels: Iterable[KernelDef], target: Target) -> Needs | None:
    """What the target's system lacks for the least demanding kernel; ``None``: there is none."""
    return min((kernel.lacks(target.os_version) for kernel in kernels), key=len, default=None)


def _matching(
    kernels: Iterable[KernelDef], target: Target, attrs: Mapping[str, object] | None = None
) -> list[KernelDef]:
    """Those of the accelerator, for a node with ``attrs``."""
    there = (k for k in kernels if k.device in (target.device_type, DEFAULT))
    return [k for k in there if attrs is None or k.matches(attrs)]


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
