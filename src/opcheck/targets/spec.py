"""Target names: ``metal``, ``metal@1.2.0``, ``metal@1.2.0,macos=12,arch=x86_64``."""

from __future__ import annotations

import msgspec
from packaging.version import InvalidVersion, Version

from opcheck.errors import UsageError

_OPTIONS = ("macos", "arch")
_FORM = "A target is PLUGIN[@VERSION][,macos=N][,arch=ARCH], such as metal@1.2.0,macos=12."


class TargetSpec(msgspec.Struct, frozen=True):
    """What was asked for; None where nothing was said."""

    plugin: str
    version: str | None = None
    macos: str | None = None
    arch: str | None = None


def parse(text: str) -> TargetSpec:
    """The spec in ``text``; a malformed one is a usage error."""
    name, *options = (part.strip() for part in text.split(","))
    plugin, at, version = name.partition("@")
    if not plugin or (at and not version):
        raise UsageError(f"'{text}' is not a target.", hint=_FORM)
    given: dict[str, str] = {}
    for option in options:
        key, _, value = option.partition("=")
        if key not in _OPTIONS or not value or key in given:
            raise UsageError(f"'{option}' is no option of a target.", hint=_FORM)
        given[key] = value
    if "macos" in given:
        try:
            Version(given["macos"])
        except InvalidVersion:
            raise UsageError(f"'{given['macos']}' is no macOS version.", hint=_FORM) from None
    return TargetSpec(plugin.lower(), version or None, given.get("macos"), given.get("arch"))
