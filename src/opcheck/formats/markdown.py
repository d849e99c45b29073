"""Markdown for a comment on a pull request: the verdict and a summary, the rest folded.

GitHub takes at most 65,536 characters; tables are cut before that, and say by how much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from opcheck.formats.costs import cost_texts
from opcheck.formats.escape import printable
from opcheck.formats.fallbacks import SHORT_STEPS, fallbacks, minor_sentence
from opcheck.formats.found import found, in_all, kinds
from opcheck.formats.machines import machine_lines
from opcheck.formats.match import match_lines
from opcheck.formats.modelfile import headline, notable_layers
from opcheck.formats.numbers import count, percent, times
from opcheck.formats.style import Colour, Style
from opcheck.formats.tables import shortened
from opcheck.formats.text import by_target, conclusion, extra_lines, remarks
from opcheck.report import Report, Result

_LIMIT = 60_000
_LONGEST = 400  # characters of a name or a message
_MOST_LAYERS = 5
_NUMBERS = ("stays", "FLOPs stay", "leaves", "of these matter", "fails", "unknown", "copies")
_MARKS: dict[Colour, str] = {"red": "❌", "yellow": "⚠️", "green": "✅"}


@dataclass(frozen=True)
class _Folded:
    """A section behind a click: rows of a table or a list, of which the last may be left out.

    ``title`` is HTML, the rest Markdown.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[str, ...]
    foot: tuple[str, ...] = ()

    def text(self, shown: int) -> str:
        hidden = len(self.rows) - shown
        more = (f"\n{hidden} more; the JSON report has every op.",) if hidden else ()
        parts = (
            f"<details><summary>{self.title}</summary>\n",
            *self.head,
            *self.rows[:shown],
            *more,
            *self.foot,
            "\n</details>",
        )
        return "\n".join(parts)

    def fitting(self, room: int) -> int:
        """How many rows fit into ``room`` characters."""
        for shown, row in enumerate(self.rows):
            room -= len(row) + 1
            if room < 0:
                return shown
        return len(self.rows)


def render(report: Report, style: Style) -> str:  # noqa: ARG001 - the page has its own
    text, colour = conclusion(report)
    parts = [f"### {_MARKS[colour]} opcheck: {_prose(text)}", _prose(headline(report.model))]
    parts += ["\n".join(_notes(report))] if any(_notes(report)) else []
    parts.append("\n".join(_summary(report)))
    folded = [section for section in _sections(report) if section.rows or section.foot]
    room = _LIMIT - sum(len(part) + 2 for part in parts)
    room -= sum(len(section.text(0)) + 2 for section in folded)
    for i, section in enumerate(folded):
        last = i == len(folded) - 1
        shown = section.fitting(room if last else room // 2)
        room -= len(section.text(shown)) - len(section.text(0))
        parts.append(section.text(shown))
    return "\n\n".join(parts) + "\n"


def _notes(report: Report) -> Iterator[str]:
    """What one must know before believing the table."""
    yield from (f"> {_prose(line)}" for line in match_lines(report.results))
    yield from (f"> {_prose(mismatch.message)}" for mismatch in report.environment.mismatch)
    yield from (f"> {_prose(note)}" for note in report.environment.notes)
    yield from (f"> {_prose(remark)}" for remark in remarks(report))


def _summary(report: Report) -> Iterator[str]:
    yield _row("target", "step", "evidence", *_NUMBERS)
    yield _row("---", "---", "---", *["---:"] * len(_NUMBERS))
    yield from map(_summary_row, report.results)


def _summary_row(result: Result) -> str:
    cells = [_code(result.target), result.step, result.evidence or "-"]
    if not result.ops:
        return _row(*cells, "not analysed", *["-"] * (len(_NUMBERS) - 1))
    s, cost = result.summary, result.summary.cost
    stays = f"{percent(s.accelerator, s.ops)} of {count(s.ops, 'op')}"
    flops = percent(cost.flops_accelerator, cost.flops) if cost else "-"
    copies = str(cost.crossings) if cost else "-"
    return _row(*cells, stays, flops, *map(str, (s.leave, s.matter, s.fails, s.unknown)), copies)


def _sections(report: Report) -> Iterator[_Folded]:
    """The most useful first: it gets the most room."""
    yield _what_to_do(report)
    for results in by_target(report):
        yield _fallbacks(results)
    yield _costs(report)
    yield _incomplete(report)
    yield _more(report)
    yield _layers(report)
    yield _hazards(report)


def _what_to_do(report: Report) -> _Folded:
    counting = [
        each
        for each in found(report)
        if each.finding.suppressed is None and each.finding.severity != "note"
    ]
    all_kinds = kinds(counting)
    rows = tuple(
        f"- **{kind.finding.severity}** {kind.finding.code} on {_code(kind.target)}"
        f"{_where(kind.layers)}: "
        + " ".join(map(_prose, filter(None, (kind.message, kind.finding.fix))))
        for kind in all_kinds
    )
    return _Folded(f"What to do: {in_all(all_kinds)}", (), rows)


def _where(layers: Sequence[str]) -> str:
    return f", {shortened([_code(layer) for layer in layers], _MOST_LAYERS)}" if layers else ""


def _fallbacks(results: Sequence[Result]) -> _Folded:
    found, first = fallbacks(results), results[0]
    steps = "/".join(SHORT_STEPS[step] for step in found.steps)
    rows = tuple(
        _row(
            _code(row.kind.layer),
            f"{_code(row.kind.op)} {times('/'.join(map(str, row.counts)))}",
            _code(row.kind.dtype),
            row.kind.verdict,
            _prose(row.message),
        )
        for row in found.rows
    )
    head = (
        f"| layer | op {times(steps)} | dtype | verdict | reason |",
        "| --- | --- | --- | --- | --- |",
    )
    foot = (f"\n{_prose(minor_sentence(found.minor))}",) if found.minor else ()
    title = f"<code>{escape(printable(first.target))}</code>: what leaves the {first.device_type}"
    return _Folded(title, head if rows else (), rows, foot)


def _costs(report: Report) -> _Folded:
    rows = tuple(
        f"- {result.step} on {_code(result.target)}: {_prose('; '.join(cost_texts(result)))}"
        for result in report.results
        if result.summary.cost
    )
    return _Folded("What it costs", (), rows)


def _incomplete(report: Report) -> _Folded:
    rows = tuple(
        f"- {failure.step} on {_code(failure.target)}: {_prose(failure.message)}"
        for failure in report.verdict.failures
        if failure.kind == "incomplete"
    )
    return _Folded("What could not be determined", (), rows)


def _more(report: Report) -> _Folded:
    machines = tuple(f"- {_prose(line)}" for line in machine_lines(report))
    rows = machines + tuple(
        f"- {result.step} on {_code(result.target)}: {_prose(line)}"
        for result in report.results
        for line in extra_lines(result)
    )
    return _Folded("Good to know", (), rows)


def _layers(report: Report) -> _Folded:
    rows = tuple(
        _row(_code(layer.path), _code(layer.class_name), _code(layer.module or "-"), layer.kind)
        for layer in notable_layers(report.model)
    )
    head = ("| layer | class | module | kind |", "| --- | --- | --- | --- |")
    return _Folded("Layers that are not plain Keras", head, rows)


def _hazards(report: Report) -> _Folded:
    rows = tuple(
        f"- {hazard.code}: {f'{_code(hazard.layer)}: ' if hazard.layer else ''}"
        f"{_prose(hazard.message)}"
        for hazard in report.model.hazards
    )
    return _Folded("Hazards of the file", (), rows)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _code(name: str) -> str:
    """A name as a code span, in which nothing is markup; a table still splits at a bar."""
    text = _short(name).replace("|", "\\|") or " "
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    gap = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{gap}{text}{gap}{fence}"


def _prose(text: str) -> str:
    """Text in which nothing is markup, a link, a mention or a reference to an issue; a line that
    begins with it begins no heading, list or code block.

    GitHub looks for mentions and references after the escapes are gone, so an invisible word joiner
    keeps them apart.
    """
    text = re.sub(r"[\\`*_\[\]<>|~&!$]|:(?=//|\w+@)", r"\\\g<0>", _short(text).lstrip())
    text = re.sub(r"^(?=[#+=-])|^\d+(?=[.)](\s|$))", r"\g<0>\\", text)
    return re.sub(r"[@#](?=\w)|\bGH-(?=\d)|\bwww(?=\.)", "\\g<0>\u2060", text)


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
