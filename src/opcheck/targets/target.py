"""A target: a plugin version on a system, with every kernel that its ``GPU`` can run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from opcheck.targets.kernels import KernelRegistry
from opcheck.targets.store import Provenance

Match = Literal["exact", "nearest", "none"]

_SYSTEMS = {"macos": "macOS"}


class Target(msgspec.Struct, frozen=True):
    """What a graph is placed against.

    ``tensorflow`` is the version whose core kernels ``registry`` holds beside the plugin's;
    ``tensorflow_supported`` are the versions the plugin works with (PEP 440 specifiers).
    ``os_version`` is that of the system, and ``branch`` the oldest with the same kernels: ``13``
    stands for macOS 13 and later when no newer branch is known, as ``description`` writes it.
    ``match_reason`` says in a sentence why the match is not exact. ``spec`` is a name that gives
    this very target again. ``beside_others`` are the parts of it that tell it from another target
    of the same version in one report.
    """

    plugin: str
    version: str
    arch: str | None
    os_version: str | None
    device_type: str
    platform: str
    tensorflow: str
    tensorflow_supported: tuple[str, ...]
    keras_major: int
    optimizer_switches: tuple[tuple[str, str], ...]
    registry: KernelRegistry
    match: Match
    provenance: tuple[Provenance, ...]
    distribution: str = ""
    system: str = ""
    ops_without_kernels: frozenset[str] = frozenset()
    match_reason: str = ""
    spec: str = ""
    beside_others: tuple[str, ...] = ()
    branch: str | None = None

    def defines(self, op: str) -> bool:
        """Whether this TensorFlow or its plugin has an op of that name, with a kernel or not."""
        return op in self.ops_without_kernels or op in self.registry.ops()

    @property
    def release(self) -> Version:
        """The version, to compare. A file's may be none: it is newer than those that are known."""
        try:
            return Version(self.version)
        except InvalidVersion:
            return Version("9999")

    def is_among(self, plugin: str, versions: str) -> bool:
        """Whether it is of ``plugin``, and of its ``versions`` (PEP 440; all where empty)."""
        return plugin == self.plugin and SpecifierSet(versions).contains(
            self.release, prereleases=True
        )

    @property
    def label(self) -> str:
        """The canonical name, ``metal@1.2.0``; beside another of them ``metal@1.2.0,macos=12``."""
        return ",".join((f"{self.plugin}@{self.version}", *self.beside_others))

    @property
    def kernels(self) -> str:
        """Names them, on every machine alike: ``spec`` with the branch, and of a file its name."""
        return ",".join(
            f"macos={self.branch}" if part.startswith("macos=") else part
            for part in _parts(self.spec)
        )

    @property
    def description(self) -> str:
        """The label with the system, ``metal@1.2.0 (macOS 13+, arm64)``."""
        details = [self.system] if self.system else []
        details += [self.arch] if self.arch else []
        name = f"{self.plugin}@{self.version}"
        return f"{name} ({', '.join(details)})" if details else name


def told_apart(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Each target once, and no two with the same label."""
    alike: dict[str, list[Target]] = {}
    for target in targets:
        alike.setdefault(target.spec, []).append(target)
    distinct = [_joined(named) for named in alike.values()]
    own = own_parts({target.spec: target.label for target in distinct})
    return tuple(msgspec.structs.replace(t, beside_others=own[t.spec]) for t in distinct)


def own_parts(labels: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Of each spec, with its label, the parts that tell it from the others of that label."""
    own: dict[str, tuple[str, ...]] = {}
    for spec, label in labels.items():
        others = [_parts(s) for s, named in labels.items() if named == label and s != spec]
        own[spec] = tuple(part for part in _parts(spec) if not all(part in o for o in others))
    return own


def _parts(spec: str) -> list[str]:
    """A file's without its folder."""
    return [Path(part).name for part in spec.split(",")]


def _joined(named: Sequence[Target]) -> Target:
    """The one target of several names, with what is said of each that is not exact."""
    inexact = [target for target in named if target.match != "exact"]
    reasons = dict.fromkeys(target.match_reason for target in inexact)
    return msgspec.structs.replace((inexact or named)[0], match_reason=" ".join(reasons))


class Pairing(msgspec.Struct, frozen=True):
    """A TensorFlow that a plugin runs beside.

    ``core`` names its registry in ``data/``, ``keras_major`` is of the Keras that comes with it,
    and ``source`` says how it is known that the two work together.
    """

    core: str
    tensorflow: str
    keras_major: int
    source: str


class TargetInfo(msgspec.Struct, frozen=True):
    """A known plugin version, from the index alone: its kernels are not loaded.

    ``registry`` names its file in ``data/``. ``os_versions`` lists the branches of a plugin whose
    kernels depend on the system, newest first. ``pairings`` are the TensorFlows with a registry
    that it runs beside; the first is the one that is meant when none is named.
    """

    plugin: str
    version: str
    full_version: str
    distribution: str
    arch: str | None
    os_versions: tuple[str, ...]
    tensorflow_supported: tuple[str, ...]
    registry: str
    pairings: tuple[Pairing, ...]

    @property
    def label(self) -> str:
        """The canonical name, ``metal@1.2.0``."""
        return f"{self.plugin}@{self.version}"
