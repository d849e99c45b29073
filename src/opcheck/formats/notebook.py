"""The report as a fragment of HTML for a notebook's cell: verdicts, then what to act on."""

from __future__ import annotations

from html import escape

from tabulate import tabulate

from opcheck.formats import text
from opcheck.formats.escape import printable
from opcheck.formats.found import found
from opcheck.report import Report


def render(report: Report) -> str:
    title = f"<p><b>{escape(printable(report.model.path))}</b></p>"
    verdicts = "".join(
        f"<li>{escape(text.verdict_sentence(result))}</li>" for result in report.results
    )
    conclusion = escape(text.conclusion(report)[0])
    return f"<div>{title}<ul>{verdicts}</ul>{_findings(report)}<p><b>{conclusion}</b></p></div>"


def _findings(report: Report) -> str:
    rows = [
        (each.target, f.severity, f.code, f.layer or "", f.message, f.fix or "")
        for each in found(report)
        for f in [each.finding]
        if f.severity != "note" and f.suppressed is None
    ]
    if not rows:
        return ""
    cells = [[printable(cell) for cell in row] for row in rows]
    headers = ("target", "severity", "code", "layer", "what", "what to do")
    return str(tabulate(cells, headers, tablefmt="html", disable_numparse=True))
