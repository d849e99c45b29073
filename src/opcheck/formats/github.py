"""Annotations of a GitHub Actions run: one workflow command a line.

The syntax and what must be escaped: GitHub's "Workflow commands for GitHub Actions" and
actions/toolkit, packages/core/src/command.ts.
"""

from __future__ import annotations

from typing import Literal

from opcheck.formats.escape import printable
from opcheck.formats.found import Found, found
from opcheck.formats.style import Style
from opcheck.formats.text import conclusion
from opcheck.report import Model, Report
from opcheck.rules import Severity

_Level = Literal["error", "warning", "notice"]
_LEVELS: dict[Severity, _Level] = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report, style: Style) -> str:  # noqa: ARG001 - the runner has its own
    file = _file(report.model)
    lines = [_finding(each, file) for each in found(report) if each.finding.suppressed is None]
    for failure in report.verdict.failures:
        if failure.kind != "finding":
            title = f"{failure.step} on {failure.target}"
            lines.append(_command("error", failure.message, title=title, file=file))
    level: _Level = "notice" if report.verdict.passed else "error"
    lines.append(_command(level, conclusion(report)[0], title="opcheck", file=file))
    return "\n".join(lines) + "\n"


def _finding(found: Found, file: str) -> str:
    finding = found.finding
    where = f"{finding.layer}: " if finding.layer else ""
    return _command(
        _LEVELS[finding.severity],
        " ".join(filter(None, (where + finding.message, finding.fix))),
        title=f"{finding.code} {' and '.join(found.steps)} on {found.target}",
        file=file,
    )


def _file(model: Model) -> str:
    """An annotation belongs to a file; a model made by code, or a folder, is none."""
    return "" if model.format in ("factory", "live", "savedmodel") else model.path


def _command(level: _Level, message: str, **properties: str) -> str:
    named = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{level} {named}::{_data(message)}"


def _data(text: str) -> str:
    """Line breaks cannot occur: they are printed as escapes."""
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
