"""A report file -> Report, for rendering it again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from opcheck.documents import decoded
from opcheck.errors import CannotCheckError
from opcheck.report.types import SCHEMA_VERSION, Report


class _Head(msgspec.Struct):
    schema_version: str


def read(path: Path) -> Report:
    """Read a JSON report; a newer minor version's additions are dropped.

    Raises CannotCheckError when the file cannot be read, is not a report, or has another major
    version.
    """
    try:
        version = decoded(path, _Head).schema_version
    except OSError as error:
        raise CannotCheckError(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CannotCheckError(
            f"{path} is not an opcheck report.",
            hint="Make one with: opcheck MODEL --format json -o report.json",
        ) from error
    if version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise CannotCheckError(
            f"{path} has report schema {version}; this opcheck reads {SCHEMA_VERSION}.",
            hint="Render it with the opcheck that wrote it, or check the model again.",
        )
    try:
        return decoded(path, Report)
    except (OSError, msgspec.DecodeError) as error:
        raise CannotCheckError(f"{path} is damaged: {error}.") from error
