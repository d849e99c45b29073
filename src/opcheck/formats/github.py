"""Annotations of a GitHub Actions run: one workflow command a line.

The syntax and what must be escaped: GitHub's "Workflow commands for GitHub Actions" and
actions/toolkit, packages/core/src/command.ts; how many are shown: its docs/problem-matchers.md.
"""

from __future__ import annotations

from typing import Literal

from opcheck.formats.escape import printable
from opcheck.formats.found import Kind, found, kinds
from opcheck.formats.match import match_lines
from opcheck.formats.numbers import count
from opcheck.formats.slashes import slashed
from opcheck.formats.style import Style
from opcheck.formats.tables import shortened
from opcheck.formats.text import conclusion
from opcheck.report import Model, Report
from opcheck.rules import Severity

_Level = Literal["error", "warning", "notice"]
_LEVELS: dict[Severity, _Level] = {"error": "error", "warning": "warning", "note": "notice"}
_MOST = 10  # of a level that GitHub shows for a step of a workflow; it drops the rest
_MOST_LAYERS = 5


def render(report: Report, style: Style) -> str:  # noqa: ARG001 - the runner has its own
    """The conclusion first, then any target that stands in for another, then what is worst; what
    GitHub would drop unseen is counted instead.

    Notes are left out: they would crowd out what one has to act on.
    """
    file = _file(slashed(report).model)
    errors = [
        _command("error", failure.message, title=f"{failure.step} on {failure.target}", file=file)
        for failure in report.verdict.failures
        if failure.kind != "finding"
    ]
    counting = [
        f for f in found(report) if f.finding.suppressed is None and f.finding.severity != "note"
    ]
    errors += [_kind(k, file) for k in kinds(f for f in counting if f.finding.severity == "error")]
    warnings = [
        _kind(k, file) for k in kinds(f for f in counting if f.finding.severity == "warning")
    ]
    level: _Level = "notice" if report.verdict.passed else "error"
    shown = [*errors[: _MOST - (level == "error")], *warnings[:_MOST]]
    hidden = len(errors) + len(warnings) - len(shown)
    text = conclusion(report)[0]
    if hidden:
        text += f" {count(hidden, 'annotation')} more than GitHub shows: see the other reports."
    first = [_command(level, text, title="opcheck", file=file)]
    first += (
        _command("notice", line, title="opcheck", file=file) for line in match_lines(report.results)
    )
    return "\n".join((*first, *shown)) + "\n"


def _kind(kind: Kind, file: str) -> str:
    where = f"{shortened(kind.layers, _MOST_LAYERS)}: " if kind.layers else ""
    return _command(
        _LEVELS[kind.finding.severity],
        " ".join(filter(None, (where + kind.message, kind.finding.fix))),
        title=f"{kind.finding.code} {' and '.join(kind.steps)} on {kind.target}",
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
