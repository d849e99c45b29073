"""The index of known targets: one small file, so that listing them loads no kernels."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
from packaging.version import Version

from opcheck.targets.target import TargetInfo

DATA = Path(__file__).parent / "data"
INDEX = DATA / "index.json"


class Index(msgspec.Struct, frozen=True):
    """``data/index.json``."""

    schema: int
    generated_by: str
    targets: tuple[TargetInfo, ...]


@cache
def known_targets() -> tuple[TargetInfo, ...]:
    """Every target with a registry: plugins by name, newest version first, arm64 first."""
    index = msgspec.json.decode(INDEX.read_bytes(), type=Index)
    by_version = sorted(index.targets, key=lambda t: Version(t.version), reverse=True)
    return tuple(sorted(by_version, key=lambda t: _PLUGIN_ORDER.get(t.plugin, len(_PLUGIN_ORDER))))


_PLUGIN_ORDER = {"metal": 0, "directml": 1, "tensorflow-directml": 2, "plaidml": 3}
