"""The report as a fragment of HTML for a notebook's cell: verdicts, then what to act on."""

from __future__ import annotations

from html import escape

from tabulate import tabulate

from opcheck.formats import text
from opcheck.formats.escape import printable
from opcheck.formats.found import found, kinds
from opcheck.formats.tables import shortened
from opcheck.report import Report

_MOST_LAYERS = 5


def render(report: Report) -> str:
    title = f"<p><b>{escape(printable(report.model.path))}</b></p>"
    verdicts = "".join(
        f"<li>{escape(text.verdict_sentence(result))}</li>" for result in report.results
    )
    conclusion = escape(text.conclusion(report)[0])
    return f"<div>{title}<ul>{verdicts}</ul>{_findings(report)}<p><b>{conclusion}</b></p></div>"


def _findings(report: Report) -> str:
    rows = [
        (
            kind.target,
            kind.finding.severity,
            kind.finding.code,
            shortened(kind.layers, _MOST_LAYERS),
            kind.message,
            kind.finding.fix or "",
        )
        for kind in kinds(
            each
            for each in found(report)
            if each.finding.severity != "note" and each.finding.suppressed is None
        )
    ]
    if not rows:
        return ""
    cells = [[printable(cell) for cell in row] for row in rows]
    headers = ("target", "severity", "code", "layer", "what", "what to do")
    return str(tabulate(cells, headers, tablefmt="html", disable_numparse=True))
