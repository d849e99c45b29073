"""From a target's name to the target."""

from __future__ import annotations

from difflib import get_close_matches

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from opcheck.errors import UnknownTargetError
from opcheck.targets import store
from opcheck.targets.index import DATA, known_targets
from opcheck.targets.kernels import KernelDef, KernelRegistry
from opcheck.targets.spec import TargetSpec, parse
from opcheck.targets.target import Target, TargetInfo


def resolve(spec: str) -> Target:
    """The target that ``spec`` names; the newest version and system where it names none."""
    wanted = parse(spec)
    info = _find(wanted)
    macos = _macos(wanted, info)
    beside = info.pairings[0]
    files = [store.read(DATA / f"{name}.json") for name in (info.registry, beside.core)]
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
        registry=KernelRegistry(k for f in files for k in f.kernels() if _holds(k, macos)),
        match="exact",
        provenance=tuple(source for f in files for source in f.sources),
        distribution=info.distribution,
        system=_system(macos, info),
        ops_without_kernels=frozenset(op for f in files for op in f.without_kernels),
    )


def _find(wanted: TargetSpec) -> TargetInfo:
    known = known_targets()
    ours = [t for t in known if t.plugin == wanted.plugin]
    if not ours:
        plugins = list(dict.fromkeys(t.plugin for t in known))
        near = get_close_matches(wanted.plugin, plugins, n=1) or plugins
        raise UnknownTargetError(
            f"opcheck knows no plugin '{wanted.plugin}'.", hint=f"It knows {_or(near)}."
        )
    versions = [t for t in ours if wanted.version in (None, t.version, t.full_version)]
    if not versions:
        raise UnknownTargetError(
            f"opcheck has no kernel registry for {wanted.plugin}@{wanted.version}.",
            hint=f"The nearest it knows: {_or(_nearest(wanted.version or '', ours))}.",
        )
    matching = [t for t in versions if wanted.arch in (None, t.arch)]
    if not matching:
        raise UnknownTargetError(
            f"{versions[0].label} has no {wanted.arch} registry.",
            hint=f"It exists for {_or([t.arch or 'one architecture' for t in versions])}.",
        )
    return matching[0]


def _nearest(version: str, known: list[TargetInfo]) -> list[str]:
    """The labels of the known versions just below and just above."""
    labels = list(dict.fromkeys(t.label for t in known))
    try:
        wanted = Version(version)
    except InvalidVersion:
        return labels[:2]
    newer = [t.label for t in known if Version(t.version) > wanted]
    older = [t.label for t in known if Version(t.version) < wanted]
    return list(dict.fromkeys(older[:1] + newer[-1:]))


def _macos(wanted: TargetSpec, info: TargetInfo) -> str | None:
    if wanted.macos and not info.os_versions:
        raise UnknownTargetError(f"{info.label} does not run on macOS.")
    return wanted.macos or (info.os_versions[0] if info.os_versions else None)


def _system(macos: str | None, info: TargetInfo) -> str:
    if macos is None:
        return ""
    return f"macOS {macos}+" if macos == info.os_versions[0] else f"macOS {macos}"


def _holds(kernel: KernelDef, macos: str | None) -> bool:
    """Whether the system has what the kernel requires."""
    have = {"macos": macos}
    for what, versions in kernel.requires:
        version = have.get(what)
        if version is None or not SpecifierSet(versions).contains(version, prereleases=True):
            return False
    return True


def _or(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
