"""A registry in a file of the user's, as a target: ``-t captured.json``.

`opcheck registry capture` writes one from a running TensorFlow, with every kernel; `opcheck
registry extract --format target` one from a plugin's wheel or library, beside which a core that
opcheck knows then stands.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec
from packaging.version import InvalidVersion, Version

from opcheck.documents import decoded
from opcheck.errors import UnknownTargetError
from opcheck.targets import store
from opcheck.targets.choose import Choice, choose, choose_within
from opcheck.targets.index import DATA, known_targets
from opcheck.targets.kernels import Origin
from opcheck.targets.rows import Row
from opcheck.targets.spec import TargetSpec, is_version
from opcheck.targets.store import PluginTraits, Provenance, RegistryFile
from opcheck.targets.target import Pairing, TargetInfo

SCHEMA = 1
_WORD = re.compile(r"[\w.+-]*")
Method = Literal["captured", "extracted"]
_WRITES_ONE = "`opcheck registry capture` and `opcheck registry extract -f target` write one."


class Host(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a registry was captured. ``devices`` are those that TensorFlow lists there."""

    tensorflow: str
    keras_major: int
    system: str
    machine: str
    devices: tuple[str, ...]
    ops_without_kernels: tuple[str, ...]


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. ``host`` is None where it holds the plugin's kernels alone.

    ``os_versions`` are the macOS versions that make a difference, newest first; of a captured
    registry, the one of its machine.
    """

    schema: int
    generated_by: str
    method: Method
    plugin: str
    version: str
    distribution: str
    arch: Literal["arm64", "x86_64"]
    os_versions: tuple[str, ...]
    traits: PluginTraits
    host: Host | None
    sources: tuple[Provenance, ...]
    kernels: tuple[Row, ...]


def plugin_named(distribution: str, platform: str) -> str:
    """The plugin's name in a target: by the distribution it comes in, or by its platform."""
    for info in known_targets():
        if distribution == info.distribution or (not distribution and platform == _platform(info)):
            return info.plugin
    return distribution or platform.lower()


def nearest_traits(plugin: str, version: str) -> PluginTraits | None:
    """What the nearest known version of the plugin says about itself."""
    if plugin not in {t.plugin for t in known_targets()}:
        return None
    info = choose(TargetSpec(plugin, _or_newest(version)), nearest=True).info
    return store.read(DATA / f"{info.registry}.json").plugin


def choose_recorded(wanted: TargetSpec, *, nearest: bool) -> tuple[Choice, list[RegistryFile]]:
    """The target in the file that ``wanted`` names, and its registries.

    Raises:
        UnknownTargetError: it is no such file, or there is no core to stand beside its kernels.
    """
    path = Path(wanted.file or "").absolute()
    found = _read(path)
    if found.host is not None:
        return _captured(found, found.host, wanted, path)
    return _extracted(found, wanted, path, nearest)


def _captured(
    found: Recorded, host: Host, wanted: TargetSpec, path: Path
) -> tuple[Choice, list[RegistryFile]]:
    if msgspec.structs.replace(wanted, file=None) != TargetSpec(wanted.plugin):
        raise UnknownTargetError(
            f"{path.name} was captured on {host.system} beside TensorFlow {host.tensorflow}.",
            hint="It takes no macos=, arch= or tensorflow=.",
        )
    minor = ".".join(host.tensorflow.split(".")[:2])
    beside = Pairing("", host.tensorflow, host.keras_major, f"captured in {path.name}")
    choice = Choice(
        _info(found, (beside,), (f"=={minor}.*",)),
        beside,
        found.os_versions[0] if found.os_versions else None,
        spec=str(path),
        method="captured",
    )
    core = _registry(found, "core", host.ops_without_kernels)
    return choice, [_registry(found, "plugin"), core]


def _extracted(
    found: Recorded, wanted: TargetSpec, path: Path, nearest: bool
) -> tuple[Choice, list[RegistryFile]]:
    info, same = _beside_known(found, path)
    choice = choose_within(wanted, [info], nearest=nearest)
    instead = choice.instead
    if not same and wanted.tensorflow is None:
        instead += (
            f"{path.name} holds no kernels of TensorFlow. Those of {choice.beside.tensorflow} "
            f"stand beside it; tensorflow= takes others.",
        )
    spec = f"{path},tensorflow={choice.beside.tensorflow}"
    spec += f",macos={choice.macos}" if choice.macos else ""
    choice = msgspec.structs.replace(choice, instead=instead, spec=spec, method="extracted")
    return choice, [_registry(found, "plugin"), store.read(DATA / f"{choice.beside.core}.json")]


def _beside_known(found: Recorded, path: Path) -> tuple[TargetInfo, bool]:
    """With every pairing of the plugin's known versions, those of the nearest first; and whether
    that is this very version."""
    ours = [t for t in known_targets() if t.plugin == found.plugin]
    if not ours:
        raise UnknownTargetError(
            f"{path.name} holds kernels of {found.plugin}, and opcheck knows no TensorFlow that "
            "runs beside it.",
            hint="`opcheck registry capture`, where it is installed, takes both.",
        )
    asked = TargetSpec(found.plugin, _or_newest(found.version), arch=_arch(found))
    near = choose(asked, nearest=True).info
    pairings = dict.fromkeys(  # what says that they go together is of other versions
        msgspec.structs.replace(pairing, source="")
        for info in (near, *ours)
        if info.arch == near.arch
        for pairing in info.pairings
    )
    return _info(found, tuple(pairings), ("",)), found.version == near.full_version


def _info(found: Recorded, pairings: tuple[Pairing, ...], supported: tuple[str, ...]) -> TargetInfo:
    known = {t.full_version: t.version for t in known_targets() if t.plugin == found.plugin}
    return TargetInfo(
        plugin=found.plugin,
        version=known.get(found.version, found.version),
        full_version=found.version,
        distribution=found.distribution,
        arch=_arch(found),
        os_versions=found.os_versions,
        tensorflow_supported=supported,
        registry="",
        pairings=pairings,
    )


def _arch(found: Recorded) -> str | None:
    """None where the plugin's known targets do not tell architectures apart."""
    known = [t.arch for t in known_targets() if t.plugin == found.plugin]
    return found.arch if None not in known else None


def _registry(found: Recorded, origin: Origin, without: tuple[str, ...] = ()) -> RegistryFile:
    kernels = [row.kernel() for row in found.kernels if row.origin == origin]
    return RegistryFile(
        schema=store.SCHEMA,
        generated_by=found.generated_by,
        origin=origin,
        distribution=found.distribution,
        version=found.version,
        arch=found.arch,
        sources=found.sources if origin == "plugin" else (),
        plugin=found.traits if origin == "plugin" else None,
        ops=dict.fromkeys(without, ()) | store.group(kernels),
    )


def _read(path: Path) -> Recorded:
    try:
        found = decoded(path, Recorded)
    except OSError as error:
        raise UnknownTargetError(f"{path} cannot be read: {error.strerror}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused(path, str(error)) from None
    if found.schema != SCHEMA:
        raise _refused(path, f"its schema is {found.schema}, not {SCHEMA}")
    device = found.traits.device_type
    words = (found.plugin, found.version, found.distribution, found.traits.platform, device)
    if not all(_WORD.fullmatch(word) for word in (*words, *found.os_versions)):
        raise _refused(path, "a name in it is none of a plugin or system")
    tensorflow = (found.host.tensorflow,) if found.host is not None else ()
    if not all(map(is_version, (*found.os_versions, *tensorflow))):
        raise _refused(path, "a version in it is none of a system or TensorFlow")
    if not all(_one_word(row) for row in found.kernels):
        raise _refused(path, "a name in it is none of a kernel")
    if not any(row.origin == "plugin" and row.device == device for row in found.kernels):
        raise _refused(path, f"no kernel of a plugin for {device}")
    return found


def _one_word(row: Row) -> bool:
    """Whether the emulated device can be told of it in one line."""
    values = [value for each in row.constraints.values() for value in each]
    words = (row.op, row.device, row.label, *row.constraints, *values, *row.host_memory)
    return all(word.isprintable() and " " not in word for word in words)


def _refused(path: Path, why: str) -> UnknownTargetError:
    return UnknownTargetError(
        f"{path} is no registry that can be a target: {why}.", hint=_WRITES_ONE
    )


def _platform(info: TargetInfo) -> str | None:
    traits = store.read(DATA / f"{info.registry}.json").plugin
    return traits.platform if traits else None


def _or_newest(version: str) -> str | None:
    try:
        return str(Version(version))
    except InvalidVersion:
        return None
