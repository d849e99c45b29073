"""Target names: ``metal``, ``metal@1.2.0``, ``metal@1.1.0,tensorflow=2.15,macos=12``; or a file
with a registry: ``captured.json``."""

from __future__ import annotations

import re

import msgspec
from packaging.version import InvalidVersion, Version

from opcheck.errors import UsageError

_OPTIONS = {"macos": "macOS", "arch": "", "tensorflow": "TensorFlow"}
_FORM = (
    "A target is PLUGIN[@VERSION][,macos=N][,arch=ARCH][,tensorflow=N], such as "
    "metal@1.2.0,macos=12; or a FILE.json that `opcheck registry capture` wrote."
)
_FILE = re.compile(r"(.+\.json)((?:,[^,=]*=[^,=]*)*)", re.IGNORECASE)


class TargetSpec(msgspec.Struct, frozen=True):
    """What was asked for; None where nothing was said. Of a file, ``plugin`` is empty."""

    plugin: str
    version: str | None = None
    macos: str | None = None
    arch: str | None = None
    tensorflow: str | None = None
    file: str | None = None


def parse(text: str) -> TargetSpec:
    """The spec in ``text``; a malformed one is a usage error."""
    if file := _FILE.fullmatch(text.strip()):
        options = [part.strip() for part in file[2].split(",")[1:]]
        return TargetSpec("", file=file[1], **_options(options))
    name, *options = (part.strip() for part in text.split(","))
    plugin, at, version = name.partition("@")
    if not plugin or (at and not version):
        raise UsageError(f"'{text}' is not a target.", hint=_FORM)
    return TargetSpec(plugin.lower(), version or None, **_options(options))


def _options(words: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in _OPTIONS or not value or key in given:
            raise UsageError(f"'{word}' is no option of a target.", hint=_FORM)
        if _OPTIONS[key] and not is_version(value):
            raise UsageError(f"'{value}' is no {_OPTIONS[key]} version.", hint=_FORM)
        given[key] = value
    return given


def is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
