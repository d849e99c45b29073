"""Which of the known targets a name means, or comes nearest to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import NoReturn

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from opcheck.errors import UnknownTargetError
from opcheck.targets.index import known_targets
from opcheck.targets.spec import TargetSpec
from opcheck.targets.target import Pairing, TargetInfo

_ARCH = "x86_64"  # of a plugin that does not tell architectures apart: DirectML's runs on no other


class Choice(msgspec.Struct, frozen=True):
    """``macos`` is the system's version, None where the plugin runs on others; ``branch`` the one
    from which on it has these kernels.

    ``spec`` is a name for just this. ``instead`` says, a sentence each, where it is not what was
    asked for; empty when it is. ``method`` is how a file's registry was made; empty for a known
    target.
    """

    info: TargetInfo
    beside: Pairing
    macos: str | None
    spec: str
    instead: tuple[str, ...] = ()
    method: str = ""
    branch: str | None = None


def choose(wanted: TargetSpec, *, nearest: bool) -> Choice:
    """The target that ``wanted`` names: the newest version, system and TensorFlow where it names
    none.

    With ``nearest``, the nearest known one where there is no such version, architecture, macOS or
    TensorFlow: the newest of those before it, else the oldest; of a TensorFlow first another patch.

    Raises:
        UnknownTargetError: it is not known, or nothing is near.
    """
    settle, instead = _settler(nearest)
    found = _of_version(wanted, settle)
    choice = choose_within(wanted, found, nearest=nearest)
    return msgspec.structs.replace(choice, instead=(*instead, *choice.instead))


def choose_within(wanted: TargetSpec, found: list[TargetInfo], *, nearest: bool) -> Choice:
    """As `choose`, among those of one version."""
    settle, instead = _settler(nearest)
    info = _of_arch(wanted, found, settle)
    macos = _macos(wanted, info, settle)
    beside = _beside(wanted.tensorflow, info, settle)
    options = {"macos": macos, "arch": info.arch, "tensorflow": beside.tensorflow}
    spec = info.label + "".join(f",{key}={value}" for key, value in options.items() if value)
    return Choice(info, beside, macos, spec, tuple(instead), branch=_branch(macos, info))


Settle = Callable[[str, str, "str | None"], None]
"""(the problem, the hint, what is nearest): raises, or notes that the nearest is taken."""


def _settler(nearest: bool) -> tuple[Settle, list[str]]:
    """And the list to which it adds its notes."""
    instead: list[str] = []

    def settle(problem: str, hint: str, near: str | None) -> None:
        if not nearest or near is None:
            more = f" --nearest takes {near}." if near is not None else ""
            raise UnknownTargetError(problem, hint=hint + more)
        instead.append(f"{problem} This is {near}.")

    return settle, instead


def _of_version(wanted: TargetSpec, settle: Settle) -> list[TargetInfo]:
    """Those of one version of the plugin."""
    ours = _of_plugin(wanted.plugin)
    if wanted.version is None:
        return [t for t in ours if t.version == ours[0].version]
    found = [t for t in ours if _is(wanted.version, t)]
    if found:
        return found
    by_version = {t.full_version: t.label for t in ours}
    around = _around(wanted.version, by_version)
    near = by_version[around[0]] if around else None
    settle(
        f"opcheck has no kernel registry for {wanted.plugin}@{wanted.version}.",
        f"The nearest it knows: {_or([by_version[v] for v in around or list(by_version)[:2]])}. "
        "`opcheck registry capture` or `extract` reads one that is unknown.",
        near,
    )
    return [t for t in ours if t.label == near]


def _is(version: str, info: TargetInfo) -> bool:
    """As PEP 440 compares: 1.2 is 1.2.0."""
    try:
        return Version(version) in (Version(info.version), Version(info.full_version))
    except InvalidVersion:
        return False


def _of_plugin(plugin: str) -> list[TargetInfo]:
    known = known_targets()
    ours = [t for t in known if t.plugin == plugin]
    if not ours:
        _refuse_plugin(plugin, dict.fromkeys(t.plugin for t in known))
    return ours


def _refuse_plugin(plugin: str, known: Iterable[str]) -> NoReturn:
    near = get_close_matches(plugin, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"It knows {_or(list(known))}."
    raise UnknownTargetError(f"opcheck knows no plugin '{plugin}'.", hint=hint)


def _of_arch(wanted: TargetSpec, found: list[TargetInfo], settle: Settle) -> TargetInfo:
    """That of one architecture: the two of a version differ in few kernels or none."""
    by_arch = {t.arch or _ARCH: t for t in found}
    if wanted.arch is None:
        return found[0]
    if wanted.arch not in by_arch:
        settle(
            f"{found[0].label} has no {wanted.arch} registry.",
            f"It exists for {_or(list(by_arch))}.",
            found[0].arch or _ARCH,
        )
    return by_arch.get(wanted.arch, found[0])


def _beside(version: str | None, info: TargetInfo, settle: Settle) -> Pairing:
    """The pairing with that TensorFlow; ``2.15`` means any 2.15, and its patches are nearest to
    each other."""
    if version is None:
        return info.pairings[0]
    by_version = {p.tensorflow: p for p in info.pairings}
    for known, pairing in by_version.items():
        if _is_patch(known, version):
            return pairing
    alike = [v for v in by_version if Version(v).release[:2] == Version(version).release[:2]]
    near = by_version[(_around(version, alike) or _around(version, by_version))[0]]
    there = [f"{p.tensorflow} ({p.source.rstrip('.')})".removesuffix(" ()") for p in info.pairings]
    settle(
        f"opcheck has no kernels of TensorFlow {version} beside {info.label}."
        if _runs_beside(info, version)
        else f"{info.label} does not run beside TensorFlow {version}.",
        f"It has those of {_or(there)}.",
        f"TensorFlow {near.tensorflow}",
    )
    return near


def _is_patch(known: str, version: str) -> bool:
    """Whether ``known`` is that version or a patch of it; a pre-, post- or local one has none."""
    wanted = Version(version)
    if str(wanted) != wanted.base_version:
        return Version(known) == wanted
    return SpecifierSet(f"=={wanted}.*").contains(known)


def _runs_beside(info: TargetInfo, version: str) -> bool:
    supported = info.tensorflow_supported
    return any(SpecifierSet(s).contains(version, prereleases=True) for s in supported)


def _macos(wanted: TargetSpec, info: TargetInfo, settle: Settle) -> str | None:
    if not info.os_versions:
        if wanted.macos:
            raise UnknownTargetError(f"{info.label} does not run on macOS.")
        return None
    oldest = info.os_versions[-1]
    if wanted.macos and Version(wanted.macos) < Version(oldest):
        settle(
            f"{info.label} does not run on macOS {wanted.macos}.",
            f"It needs macOS {oldest} or newer.",
            f"macOS {oldest}",
        )
        return oldest
    return wanted.macos or info.os_versions[0]


def _branch(macos: str | None, info: TargetInfo) -> str | None:
    return next((v for v in info.os_versions if macos and Version(v) <= Version(macos)), None)


def _around(version: str, known: Iterable[str]) -> list[str]:
    """The known versions just below and just above, the nearest first; none for a non-version."""
    try:
        wanted = Version(version)
    except InvalidVersion:
        return []
    ordered = sorted(known, key=Version)
    older = [v for v in ordered if Version(v) < wanted]
    newer = [v for v in ordered if Version(v) > wanted]
    return older[-1:] + newer[:1]


def _or(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
