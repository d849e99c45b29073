"""``manifest.toml``: which wheels, and which TensorFlow a plugin runs beside."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

MANIFEST = Path(__file__).with_name("manifest.toml")


class CoreRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TensorFlow wheel; ``name`` is the name of its data file.

    ``base`` is the core whose file this one's is told by difference to (`targets.store`).
    ``abandoned`` names the initializers (by symbol, or by address in a stripped library) that are
    known not to run to their end. Any other that does not is an error.
    """

    name: str
    wheel: str
    sha256: str
    keras_major: int
    base: str | None = None
    abandoned: tuple[str, ...] = ()


class PairingRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A core that a plugin runs beside, and the source that says so."""

    core: str
    source: str


class PluginRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plugin's wheel, and the cores it runs beside; the first one is a target's default.

    ``device`` is set for a TensorFlow that has the accelerator built in: its device type, whose
    kernels are the plugin's. Such a wheel is a core row too.
    """

    name: str
    plugin: str
    version: str
    wheel: str
    sha256: str
    tensorflow_supported: tuple[str, ...]
    pairing: tuple[PairingRow, ...]
    arch: str | None = None
    base: str | None = None
    device: str | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    core: tuple[CoreRow, ...]
    plugin: tuple[PluginRow, ...]


@cache
def manifest() -> Manifest:
    """The manifest that ships with opcheck."""
    return msgspec.toml.decode(MANIFEST.read_bytes(), type=Manifest)
