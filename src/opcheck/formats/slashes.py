"""Where a model's file is, for URIs and GitHub: with slashes on every system."""

from __future__ import annotations

import msgspec

from opcheck.report import Report


def slashed(report: Report) -> Report:
    """The report, with the path that Windows wrote with backslashes; elsewhere they are names'."""
    if report.environment.system != "Windows":
        return report
    model = msgspec.structs.replace(report.model, path=report.model.path.replace("\\", "/"))
    return msgspec.structs.replace(report, model=model)
