"""A report file -> Report, for rendering it again."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from opcheck.documents import decoded
from opcheck.errors import CannotCheckError
from opcheck.report.types import SCHEMA_VERSION, Report

_CODE = re.compile(r"[\w.+-]*")
_DIGEST = re.compile("[0-9a-f]*")


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
        report = decoded(path, Report)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CannotCheckError(f"{path} is damaged: {error}.") from error
    if not _words_are_ours(report):
        raise CannotCheckError(f"{path} was not written by opcheck.")
    return report


def _words_are_ours(report: Report) -> bool:
    """Whether what opcheck itself writes looks as it does, for the formats print that as it is.

    Names, which come from the model, may hold anything: those are escaped.
    """
    here, results = report.environment, report.results
    findings = [finding for result in results for finding in result.findings]
    codes = [report.tool.name, report.tool.version, *(h.code for h in report.model.hazards)]
    codes += [finding.code for finding in findings] + [result.device_type for result in results]
    texts = [
        here.python,
        here.system,
        here.machine,
        here.tensorflow,
        here.keras,
        here.keras_package,
    ]
    texts += [text for r in results for text in (r.target, r.description, r.kernels)]
    texts += [finding.fix for finding in findings if finding.fix is not None]
    return (
        _DIGEST.fullmatch(report.model.sha256) is not None
        and all(_CODE.fullmatch(code) for code in codes)
        and all(map(str.isprintable, texts))
    )
