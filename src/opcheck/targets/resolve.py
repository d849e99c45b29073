"""From a target's name to the target."""

from __future__ import annotations

from collections.abc import Sequence

from opcheck.targets import store
from opcheck.targets.choose import Choice, choose
from opcheck.targets.index import DATA
from opcheck.targets.kernels import KernelRegistry
from opcheck.targets.recorded import choose_recorded
from opcheck.targets.spec import parse
from opcheck.targets.store import RegistryFile
from opcheck.targets.target import Target


def resolve(spec: str, *, nearest: bool = False) -> Target:
    """The target that ``spec`` names; the newest version and system where it names none.

    Raises:
        UsageError: ``spec`` is malformed.
        UnknownTargetError: there is no such target; with ``nearest``, not even one that is near.
    """
    wanted = parse(spec)
    if wanted.file is not None:
        return _load(*choose_recorded(wanted, nearest=nearest))
    choice = choose(wanted, nearest=nearest)
    names = (choice.info.registry, choice.beside.core)
    return _load(choice, [store.read(DATA / f"{name}.json") for name in names])


def _load(choice: Choice, files: Sequence[RegistryFile]) -> Target:
    info, beside, macos = choice.info, choice.beside, choice.macos
    traits = next(f.plugin for f in files if f.plugin is not None)
    return Target(
        plugin=info.plugin,
        version=info.version,
        arch=info.arch,
        os_version=macos,
        device_type=traits.device_type,
        platform=traits.platform,
        tensorflow=beside.tensorflow,
        tensorflow_supported=info.tensorflow_supported,
        keras_major=beside.keras_major,
        optimizer_switches=traits.optimizer_switches,
        registry=KernelRegistry(k for f in files for k in f.kernels() if not k.lacks(macos)),
        match="nearest" if choice.instead else "exact",
        match_reason=" ".join(choice.instead),
        provenance=tuple(source for f in files for source in f.sources),
        distribution=info.distribution,
        system=_system(choice),
        ops_without_kernels=frozenset(op for f in files for op in f.without_kernels),
        spec=choice.spec,
        branch=choice.branch,
    )


def _system(choice: Choice) -> str:
    """The system, and the TensorFlow where it is not the one that is meant when none is named."""
    parts = []
    if choice.macos is not None:
        newest = choice.macos == choice.info.os_versions[0]
        parts.append(f"macOS {choice.macos}{'+' if newest else ''}")
    if choice.beside != choice.info.pairings[0]:
        parts.append(f"TensorFlow {choice.beside.tensorflow}")
    if choice.method:
        parts.append(choice.method)
    return ", ".join(parts)
