"""The report as text, for a person in a hurry: verdicts first, then what to act on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from opcheck.formats.costs import cost_lines
from opcheck.formats.escape import printable
from opcheck.formats.fallbacks import fallback_lines
from opcheck.formats.machines import machine_line, machine_lines
from opcheck.formats.match import match_lines, painted
from opcheck.formats.modelfile import hazard_lines, headline, layer_table, notable_layers
from opcheck.formats.numbers import count, percent, times
from opcheck.formats.style import Colour, Style
from opcheck.formats.tables import paragraph, shortened
from opcheck.report import Environment, Report, Result
from opcheck.rules import WORST_FIRST, Finding, Severity

_COLOURS: dict[Severity, Colour] = {"error": "red", "warning": "yellow", "note": "dim"}


def render(report: Report, style: Style) -> str:
    sections = (
        _matches(report, style),
        _head(report, style),
        _banner(report.environment, style),
        _verdicts(report, style),
        _layers(report, style),
        _hazards(report, style),
        *(fallbacks(results, style) for results in by_target(report)),
        advice(report, style),
        _assumed(report, style),
        _conclusion(report, style),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _matches(report: Report, style: Style) -> list[str]:
    """First of all, where a target is not the one that was asked for."""
    return painted(match_lines(report.results), style)


def _head(report: Report, style: Style) -> list[str]:
    where = "merged from:" if report.machines else machine_line(report.environment)
    lines = paragraph(f"{report.tool.name} {report.tool.version} · {where}", width=style.width)
    lines += (
        line
        for text in machine_lines(report)
        for line in paragraph(text, width=style.width, first="  ", rest="    ")
    )
    return [
        *lines,
        *paragraph(headline(report.model), width=style.width),
        *(
            line
            for note in report.model.notes
            for line in paragraph(printable(note), width=style.width, first="  ")
        ),
    ]


def _banner(environment: Environment, style: Style) -> list[str]:
    lines = [
        line
        for text in (*(m.message for m in environment.mismatch), *environment.notes)
        for line in paragraph(printable(text), width=style.width, first="! ")
    ]
    return [style.paint(line, "yellow") for line in lines]


def _verdicts(report: Report, style: Style) -> list[str]:
    lines: list[str] = []
    for result in report.results:
        colour = _colour(result)
        for line in paragraph(verdict_sentence(result), width=style.width, rest="  "):
            lines.append(style.paint(line, colour))
        lines += cost_lines(result, style)
        lines += (
            line
            for text in extra_lines(result)
            for line in paragraph(printable(text), width=style.width, first="  ", rest="  ")
        )
    return lines


def extra_lines(result: Result) -> Iterator[str]:
    """What else there is to know of a step: why it did not run, notes, disagreements."""
    if result.trace.error and result.ops:
        stopped = "did not run here" if result.evidence == "predicted" else "stopped"
        yield f"The step {stopped}: {result.trace.error}"
    yield from result.notes
    yield from disagreements(result)


def disagreements(result: Result) -> list[str]:
    """The ops that were predicted elsewhere than they were traced, by type and cause."""
    alike = Counter(
        (each.op, each.evidence, each.predicted, each.traced, each.reason.message)
        for each in result.disagreements
    )
    here = result.evidence if any(d.evidence != "predicted" for d in result.disagreements) else None
    return [
        f"{op} {times(str(many))}: {evidence} {predicted}, {here or 'traced'} {traced} ({why})."
        for (op, evidence, predicted, traced, why), many in alike.items()
    ]


def verdict_sentence(result: Result) -> str:
    """``training on metal@1.2.0: 12 of 812 ops leave the GPU, 3 of them matter (...)``."""
    where = f"{result.step} on {result.target}: "
    if not result.ops:
        return where + "not analysed. " + printable(" ".join(result.incomplete))
    total, s = len(result.ops), result.summary
    parts = [f"{s.leave} of {total} ops {'leaves' if s.leave == 1 else 'leave'}"]
    parts[0] += f" the {result.device_type}"
    if s.leave:
        verb = "matters" if s.matter <= 1 else "matter"
        parts.append(f"{s.matter or 'none'} of them {verb}")
    if s.fails:
        parts.append(count(s.fails, "op") + (" fails" if s.fails == 1 else " fail"))
    if s.unknown:
        parts.append(f"{count(s.unknown, 'op')} unknown")
    return f"{where}{', '.join(parts)} ({percent(s.accelerator, total)} stay, {_evidence(result)})"


def _evidence(result: Result) -> str:
    kinds = {op.evidence for op in result.ops}
    if len(kinds) == 1:
        return kinds.pop()
    return ", ".join(
        f"{sum(op.evidence == kind for op in result.ops)} {kind}" for kind in sorted(kinds)
    )


def _colour(result: Result) -> Colour:
    severities = {finding.severity for finding in result.findings if finding.ops}
    if result.summary.fails or "error" in severities:
        return "red"
    return "yellow" if result.incomplete or "warning" in severities else "green"


def _layers(report: Report, style: Style) -> list[str]:
    layers = notable_layers(report.model)
    if not layers:
        return []
    title = style.paint("Layers that are not plain Keras", "bold")
    return [title, *layer_table(layers, style)]


def _hazards(report: Report, style: Style) -> list[str]:
    if not report.model.hazards:
        return []
    return [style.paint("Hazards", "bold"), *hazard_lines(report.model.hazards, style)]


def by_target(report: Report) -> Iterator[list[Result]]:
    grouped: dict[str, list[Result]] = {}
    for result in report.results:
        grouped.setdefault(result.description, []).append(result)
    yield from grouped.values()


def fallbacks(results: list[Result], style: Style) -> list[str]:
    lines = fallback_lines(results, style)
    if not lines:
        return []
    first = results[0]
    title = f"{first.description}: what leaves the {first.device_type}"
    return [style.paint(title, "bold"), *lines]


def advice(report: Report, style: Style) -> list[str]:
    """Findings that concern no single op, then what to do about those that do, once each."""
    said = {mismatch.message for mismatch in report.environment.mismatch}
    whole: dict[tuple[str, str | None], Finding] = {}
    fixes: dict[tuple[str, str], list[Finding]] = {}
    for finding in (f for r in report.results for f in r.findings if f.suppressed is None):
        if not finding.ops and finding.message not in said:
            whole.setdefault((finding.message, finding.layer), finding)
        elif finding.ops and finding.fix:
            fixes.setdefault((finding.code, finding.fix), []).append(finding)
    entries: list[tuple[Severity, str, str]] = []
    for finding in whole.values():
        where = f"{printable(finding.layer)}: " if finding.layer else ""
        text = " ".join(filter(None, (where + printable(finding.message), finding.fix)))
        entries.append((finding.severity, finding.code, text))
    for (code, fix), same in fixes.items():
        same.sort(key=lambda f: WORST_FIRST.index(f.severity))
        layers = dict.fromkeys(printable(f.layer or "outside any layer") for f in same)
        entries.append((same[0].severity, code, f"{shortened(tuple(layers), 3)}: {fix}"))
    if not entries:
        return []
    entries.sort(key=lambda entry: (WORST_FIRST.index(entry[0]), entry[1]))
    title = style.paint("What to do (opcheck explain CODE tells more)", "bold")
    return [title, *(line for entry in entries for line in _entry(*entry, style))]


def _entry(severity: Severity, code: str, text: str, style: Style) -> list[str]:
    first = f"  {severity:<8}{code}  "
    lines = paragraph(text, width=style.width, first=first)
    painted = first.replace(severity, style.paint(severity, _COLOURS[severity]))
    return [lines[0].replace(first, painted, 1), *lines[1:]]


def _assumed(report: Report, style: Style) -> list[str]:
    """What opcheck chose because the file does not say."""
    lines: dict[str, None] = {}
    for result in report.results:
        chosen = {"loss": result.loss, "optimizer": result.optimizer}
        named = (f"{what} {chosen.get(what) or ''}".rstrip() for what in result.defaults)
        text = ", ".join(map(printable, named))
        if text:
            why = "for the file stores none that could be rebuilt"
            lines[f"Assumed for {result.step}, {why}: {text}."] = None
    return [line for text in lines for line in paragraph(text, width=style.width)]


def _conclusion(report: Report, style: Style) -> list[str]:
    text, colour = conclusion(report)
    return [
        *(
            line
            for note in remarks(report)
            for line in paragraph(printable(note), width=style.width)
        ),
        *(style.paint(line, colour) for line in paragraph(text, width=style.width)),
    ]


def remarks(report: Report) -> Iterator[str]:
    """What belongs beside the verdict: limits that are exceeded, what was accepted or let pass."""
    yield from (f.message for f in report.verdict.failures if f.kind == "limit")
    yield from _accepted(report)
    yield from report.verdict.notes


def _accepted(report: Report) -> Iterator[str]:
    """Findings that do not count, by the reason that was given."""
    reasons = {
        (result.target, finding.fingerprint): finding.suppressed
        for result in report.results
        for finding in result.findings
        if finding.suppressed is not None and finding.severity != "note"
    }
    for accepted, number in Counter(reasons.values()).items():
        what = "Ignored" if accepted.by == "ignore" else "In the baseline"
        yield f"{what}: {count(number, 'finding')} ({accepted.reason})."


def conclusion(report: Report) -> tuple[str, Colour]:
    """The verdict in words: ``FAILED: 3 errors and 1 warning.``"""
    verdict = report.verdict
    found = _counted(report)
    gaps = len({(f.target, f.step) for f in verdict.failures if f.kind == "incomplete"})
    if gaps:
        of = f"{gaps} of {count(len(report.results), 'result')}"
        rest = f" Found so far: {found}." if found else ""
        return f"INCOMPLETE: not everything could be determined in {of}.{rest}", "yellow"
    if not verdict.passed:
        over = sum(failure.kind == "limit" for failure in verdict.failures)
        parts = [found, f"{count(over, 'limit')} exceeded" if over else ""]
        return f"FAILED: {' and '.join(filter(None, parts)) or 'nothing was checked'}.", "red"
    if verdict.fail_on == "never" and found:
        return f"NOT GATED (--fail-on never): {found}.", "yellow"
    return (f"PASSED with {found}." if found else "PASSED."), "green"


def _counted(report: Report) -> str:
    """``3 errors and 1 warning``; a finding of both steps on a target counts once."""
    distinct = {
        (result.target, finding.fingerprint): finding.severity
        for result in report.results
        for finding in result.findings
        if finding.severity != "note" and finding.suppressed is None
    }
    severities = list(distinct.values())
    parts = [
        count(severities.count(severity), severity)
        for severity in ("error", "warning")
        if severity in severities
    ]
    return " and ".join(parts)
