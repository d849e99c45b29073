"""A comparison as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opcheck.formats.escape import printable
from opcheck.formats.match import match_line, painted
from opcheck.formats.numbers import count, times
from opcheck.formats.style import Colour, Style
from opcheck.formats.tables import paragraph, table
from opcheck.placement.types import Verdict
from opcheck.report.comparison import Change, Comparison, StepComparison, weighs
from opcheck.rules import Finding

_MOST_ROWS = 40


def render(document: Comparison, style: Style) -> str:
    models = dict.fromkeys((document.old_model, document.new_model))
    blocks = [_matches(document, style)]
    blocks.append(paragraph(printable(" -> ".join(models)), width=style.width))
    blocks += (list(_step(step, style)) for step in document.steps)
    if document.unmatched:
        names = printable(", ".join(document.unmatched))
        text = f"Not compared, on one side only or not analysed: {names}."
        blocks.append(paragraph(text, width=style.width))
    if document.incomplete:
        blocks.append(["The new side does not tell:"])
        for gap in document.incomplete:
            blocks[-1] += paragraph(printable(gap), width=style.width, first="  ")
    blocks.append(list(_conclusion(document, style)))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _matches(document: Comparison, style: Style) -> list[str]:
    """First of all, where a target is not the one that was asked for."""
    reasons = dict.fromkeys(reason for step in document.steps for reason in step.match_reasons)
    lines = [match_line("nearest", reason) for reason in reasons]
    return painted(lines, style)


def _step(step: StepComparison, style: Style) -> Iterator[str]:
    yield style.paint(f"{step.step} on {printable(' -> '.join(step.systems))}", "bold")
    yield from summary_lines(step)
    for direction, colour in _DIRECTIONS.items():
        changes = [change for change in step.changes if change.direction == direction]
        if changes:
            yield style.paint(direction, colour)
            yield from _table(changes, style)
    for title, findings in (
        ("new or graver findings", step.introduced),
        ("gone or milder", step.mended),
    ):
        weighty = [finding for finding in findings if finding.severity != "note"]
        if weighty:
            yield style.paint(title, "bold")
            yield from (line for f in weighty for line in _finding(f, style))
    if not step.changes and not step.introduced and not step.mended:
        yield "  no difference"


_DIRECTIONS: Mapping[str, Colour] = {"worse": "red", "better": "green"}


def summary_lines(step: StepComparison) -> Iterator[str]:
    """Each number of the summary that changed: ``  cpu: 12 -> 3``."""
    old, new = step.old_summary, step.new_summary
    for name in ("ops", "accelerator", "host_pinned", "cpu", "fails", "unknown"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"  {name.replace('_', '-')}: {before} -> {after}"


def _table(changes: list[Change], style: Style) -> list[str]:
    rows = [
        [
            printable(change.layer or "-"),
            printable(change.op),
            printable(change.dtypes),
            verdicts(change.before),
            verdicts(change.after),
            printable(change.reason),
        ]
        for change in changes[:_MOST_ROWS]
    ]
    headers = ("layer", "op", "dtypes", "before", "after", "why it leaves")
    wrap = {"layer": 2, "dtypes": 1, "before": 1, "after": 1, "why it leaves": 3}
    lines = table(headers, rows, width=style.width, wrap=wrap)
    if len(changes) > _MOST_ROWS:
        lines.append(f"... and {len(changes) - _MOST_ROWS} more; --format json has all.")
    return lines


def verdicts(counts: Mapping[Verdict, int]) -> str:
    """``accelerator x3, cpu``; ``none`` where there is no such op."""
    parts = (name if n == 1 else f"{name} {times(str(n))}" for name, n in counts.items())
    return ", ".join(parts) or "none"


def _finding(finding: Finding, style: Style) -> list[str]:
    where = f"{printable(finding.layer)}: " if finding.layer else ""
    text = where + printable(finding.message)
    return paragraph(text, width=style.width, first=f"  {finding.severity:<8}{finding.code}  ")


def _conclusion(document: Comparison, style: Style) -> Iterator[str]:
    worse = _weight(document, "worse", [f for step in document.steps for f in step.introduced])
    better = _weight(document, "better", [f for step in document.steps for f in step.mended])
    if worse:
        rest = f"; better in {better}" if better else ""
        yield style.paint(f"WORSE in {worse}{rest}.", "red")
    elif not document.incomplete:
        text = f"Better in {better}; nothing is worse." if better else "No worse than before."
        yield style.paint(text, "green")
    if document.incomplete:
        yield style.paint("INCOMPLETE: what the new side does not tell may be worse.", "red")


def _weight(document: Comparison, direction: str, findings: list[Finding]) -> str:
    """``2 kinds of op and 1 finding``, of every step; empty where there is nothing."""
    changes = [change for step in document.steps for change in step.changes]
    kinds = {(c.layer, c.op, c.dtypes) for c in changes if c.direction == direction}
    weighty = {f.fingerprint for f in findings if weighs(f)}
    parts = [f"{len(kinds)} kind{'s' * (len(kinds) != 1)} of op" if kinds else ""]
    parts += [count(len(weighty), "finding") if weighty else ""]
    return " and ".join(filter(None, parts))
