"""Where a command takes a JSON report as well as a model: which it is, and what its targets are
called."""

from __future__ import annotations

from pathlib import Path

from opcheck.report import Report


def is_report(name: str) -> bool:
    return Path(name).suffix == ".json"


def label(name: str, report: Report) -> str:
    """The report's only one that ``metal`` or ``metal@1.2.0,macos=12`` can mean; else the name."""
    known = labels(report)
    version = name.partition(",")[0]
    found = [each for each in known if version in (each, each.partition("@")[0])]
    return found[0] if name not in known and len(found) == 1 else name


def labels(report: Report) -> tuple[str, ...]:
    """The targets that it has."""
    return tuple(dict.fromkeys(result.target for result in report.results))
