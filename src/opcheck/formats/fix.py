"""What ``opcheck fix`` did, for a terminal."""

from __future__ import annotations

from opcheck.formats.escape import printable
from opcheck.formats.fallbacks import fallback_lines
from opcheck.formats.numbers import count
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph, table
from opcheck.formats.text import verdict_sentence
from opcheck.report import Report
from opcheck.worker.protocol import FixReply


def render(
    output: str, target: str, reply: FixReply, before: Report, after: Report, style: Style
) -> str:
    layers = count(len(reply.changed), "layer")
    sections = (
        [style.paint(f"{printable(output)}: {layers} rewritten for {target}", "green")],
        _changed(reply, style),
        _numbers(reply, style),
        _left(reply, style),
        _sentences("Before", before, style),
        _sentences("After", after, style),
        fallback_lines(list(after.results), style),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _changed(reply: FixReply, style: Style) -> list[str]:
    rows = [
        (printable(layer.path) or "(the model)", printable(layer.class_name), layer.rewrite)
        for layer in reply.changed
    ]
    wrap = {"layer": 2, "class": 1, "rewrite": 1}
    return table(("layer", "class", "rewrite"), rows, width=style.width, wrap=wrap)


def _numbers(reply: FixReply, style: Style) -> list[str]:
    text = (
        f"Outputs of both files on random input differ by at most {reply.absolute:.2g} "
        f"({reply.relative:.2g} of the largest number). The weights are kept."
    )
    lines = paragraph(text, width=style.width)
    for note in reply.notes:
        lines += paragraph(printable(note), width=style.width)
    return lines


def _left(reply: FixReply, style: Style) -> list[str]:
    if not reply.left:
        return []
    lines = [style.paint("Left as they are, to be changed by hand", "bold")]
    for layer in reply.left:
        text = f"{printable(layer.path)} ({printable(layer.class_name)}): {layer.why}. "
        lines += paragraph(text + layer.advice, width=style.width, first="  ", rest="    ")
    return lines


def _sentences(title: str, report: Report, style: Style) -> list[str]:
    return [
        line
        for result in report.results
        for line in paragraph(f"{title}: {verdict_sentence(result)}", width=style.width, rest="  ")
    ]
