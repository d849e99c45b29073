"""The index of known targets: one small file, so that listing them loads no kernels."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
from packaging.version import Version

from opcheck.targets.store import Provenance
from opcheck.targets.target import TargetInfo

DATA = Path(__file__).parent / "data"
INDEX = DATA / "index.json"


class Index(msgspec.Struct, frozen=True):
    """``data/index.json``; ``sources`` are those of each registry file, by its name."""

    schema: int
    generated_by: str
    targets: tuple[TargetInfo, ...]
    sources: dict[str, tuple[Provenance, ...]]


@cache
def _index() -> Index:
    return msgspec.json.decode(INDEX.read_bytes(), type=Index)


def sources(registry: str) -> tuple[Provenance, ...]:
    """The libraries that the file ``registry`` was recovered from."""
    return _index().sources[registry]


@cache
def known_targets() -> tuple[TargetInfo, ...]:
    """Every target with a registry: plugins by name, newest version first, arm64 first."""
    by_version = sorted(_index().targets, key=lambda t: Version(t.version), reverse=True)
    return tuple(sorted(by_version, key=lambda t: _PLUGIN_ORDER.get(t.plugin, len(_PLUGIN_ORDER))))


_PLUGIN_ORDER = {"metal": 0, "directml": 1, "tensorflow-directml": 2, "plaidml": 3}
