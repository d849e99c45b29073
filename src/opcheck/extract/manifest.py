"""``manifest.toml``: which wheels, and which TensorFlow a plugin runs beside."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

MANIFEST = Path(__file__).with_name("manifest.toml")


class CoreRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TensorFlow wheel; ``name`` is the name of its data file.

    ``abandoned`` names the initializers (by symbol, or by address in a stripped library) that are
    known not to run to their end. Any other that does not is an error.
    """

    name: str
    wheel: str
    sha256: str
    abandoned: tuple[str, ...] = ()


class PluginRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plugin's wheel, and the core registry that stands beside it in a target."""

    name: str
    plugin: str
    version: str
    wheel: str
    sha256: str
    core: str
    tensorflow: str
    tensorflow_supported: tuple[str, ...]
    keras_major: int
    pairing_source: str
    arch: str | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    core: tuple[CoreRow, ...]
    plugin: tuple[PluginRow, ...]


@cache
def manifest() -> Manifest:
    """The manifest that ships with opcheck."""
    return msgspec.toml.decode(MANIFEST.read_bytes(), type=Manifest)
