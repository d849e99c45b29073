"""An inspection as text."""

from __future__ import annotations

from opcheck.formats.escape import printable
from opcheck.formats.modelfile import hazard_lines, headline, layer_table
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph
from opcheck.report import Inspection


def render(document: Inspection, style: Style) -> str:
    model = document.model
    lines = paragraph(headline(model), width=style.width)
    if model.layers:
        lines += ["", *layer_table(model.layers, style)]
    if model.hazards:
        lines += ["", style.paint("Hazards", "bold"), *hazard_lines(model.hazards, style)]
    for note in model.notes:
        lines += ["", *paragraph(printable(note), width=style.width, first="Note: ")]
    return "\n".join(lines) + "\n"
