"""A scan as text: a line for each model and target, then what could not be checked."""

from __future__ import annotations

from collections.abc import Iterator

from opcheck.formats.escape import printable
from opcheck.formats.found import found, kinds
from opcheck.formats.match import match_lines, painted
from opcheck.formats.numbers import count
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph, shortened, table
from opcheck.formats.text import conclusion
from opcheck.report import Report
from opcheck.report.scan import Scan

_MOST = 6  # reasons of one model
_MOST_LAYERS = 3
_KINDS = {"incomplete": "unknown", "limit": "limit"}  # where a code would stand
_OUTCOMES = {0: "passed", 1: "FAILED", 2: "INCOMPLETE"}


def render(document: Scan, style: Style) -> str:
    rows = [
        [printable(model.path), *line]
        for model in document.models
        if model.report is not None
        for line in _lines(model.report)
    ]
    reports = [model.report for model in document.models if model.report is not None]
    results = (result for report in reports for result in report.results)
    blocks = [painted(match_lines(results), style)]
    if rows:
        headers = ("model", "target", "leave/ops infer", "train", "outcome")
        blocks.append(table(headers, rows, width=style.width, wrap={"model": 2, "outcome": 1}))
    blocks += [
        list(_why(model.path, model.report, style))
        for model in document.models
        if model.report is not None and model.exit_code
    ]
    for model in document.models:
        if model.error is not None:
            named = model.path in model.error  # most messages start with the file
            text = printable(model.error if named else f"{model.path}: {model.error}")
            blocks.append([style.paint(line, "red") for line in paragraph(text, width=style.width)])
    blocks.append([_total(document, style)])
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _lines(report: Report) -> Iterator[list[str]]:
    """One line a target; the report's conclusion stands on the first."""
    outcome = conclusion(report)[0].rstrip(".")
    for target in report.labels:
        shares = []
        for step in ("inference", "training"):
            result = next((r for r in report.results if (r.target, r.step) == (target, step)), None)
            counts = result.summary if result is not None and result.ops else None
            shares.append(f"{counts.leave}/{counts.ops}" if counts else "-")
        yield [printable(target), *shares, outcome]
        outcome = ""


def _why(path: str, report: Report, style: Style) -> Iterator[str]:
    """What fails a model, the worst first; the check of that model alone tells more."""
    yield style.paint(printable(path), "bold")
    failing = {f.fingerprint for f in report.verdict.failures if f.kind == "finding"}
    others = ((f.kind, f.message) for f in report.verdict.failures if f.kind != "finding")
    entries = [(f"{_KINDS[kind]:<8}", message) for kind, message in dict.fromkeys(others)]
    for kind in kinds(f for f in found(report) if f.finding.fingerprint in failing):
        where = f"{shortened(kind.layers, _MOST_LAYERS)}: " if kind.layers else ""
        entries.append((f"{kind.finding.code}  ", f"{kind.target}: {where}{kind.message}"))
    for code, text in entries[:_MOST]:
        yield from paragraph(printable(text), width=style.width, first=f"  {code}")
    if len(entries) > _MOST:
        yield f"  and {len(entries) - _MOST} more: check this model alone"


def _total(document: Scan, style: Style) -> str:
    if not document.models:
        return style.paint("No model was found.", "red")
    codes = [model.exit_code for model in document.models]
    parts = [f"{codes.count(code)} {word}" for code, word in _OUTCOMES.items() if code in codes]
    total = f"{count(len(codes), 'model')}: {', '.join(parts)}."
    return style.paint(total, "green" if document.exit_code == 0 else "red")
