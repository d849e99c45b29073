"""One HTML file that opens offline: the summary, the graph of the layers, every op.

The page is page.html (Jinja, everything escaped), its style page.css, and the scripts named in
``_SCRIPTS`` with the report's data as JSON between. Nothing is loaded: the Content-Security-Policy
forbids every request, and every script but these by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from opcheck.errors import CannotCheckError
from opcheck.formats.costs import cost_texts
from opcheck.formats.escape import printable
from opcheck.formats.fallbacks import fallbacks, minor_sentence
from opcheck.formats.found import found, in_all, kinds
from opcheck.formats.machines import machine_line, machine_lines
from opcheck.formats.match import match_lines
from opcheck.formats.modelfile import headline, notable_layers
from opcheck.formats.numbers import amount, percent
from opcheck.formats.style import Style
from opcheck.formats.text import (
    by_target,
    conclusion,
    extra_lines,
    remarks,
    verdict_sentence,
)
from opcheck.report import Report

if TYPE_CHECKING:
    from jinja2 import Environment

_MOST_KINDS = 6  # of what to do that are shown at once
_MOST_LAYERS = 5
_LIBRARIES = ("cytoscape.min.js", "cytoscape-dagre.min.js")
_LICENCES = ("cytoscape", "cytoscape-dagre", "dagre", "graphlib")
_SCRIPTS = ("model.js", "graph.js", "layers.js", "details.js", "ops.js", "page.js")


def render(report: Report, style: Style) -> str:  # noqa: ARG001 - the reader's browser has one
    from opcheck.formats.html.data import page_data  # like Jinja, only when it is asked for

    scripts = [asset(name) for name in _LIBRARIES] + [_own(name) for name in _SCRIPTS]
    text, colour = conclusion(report)
    all_kinds = kinds(found(report))
    return (
        _environment()
        .from_string(_own("page.html"))
        .render(
            report=report,
            headline=headline(report.model),
            conclusion=text,
            colour=colour,
            banner=[
                *match_lines(report.results),
                *(mismatch.message for mismatch in report.environment.mismatch),
                *report.environment.notes,
            ],
            remarks=list(remarks(report)),
            sentences=[verdict_sentence(result) for result in report.results],
            to_do=[kind for kind in all_kinds if kind.finding.severity != "note"],
            notes=[kind for kind in all_kinds if kind.finding.severity == "note"],
            gaps=any(result.incomplete for result in report.results),
            in_all=in_all,
            most_kinds=_MOST_KINDS,
            most_layers=_MOST_LAYERS,
            extra=extra_lines,
            machine_line=machine_line,
            machine_lines=machine_lines,
            fallbacks=[(results[0], fallbacks(results)) for results in by_target(report)],
            minor_sentence=minor_sentence,
            percent=percent,
            amount=amount,
            cost_texts=cost_texts,
            notable=notable_layers(report.model),
            data=page_data(report),
            css=_own("page.css"),
            scripts=scripts,
            hashes=[_hash(script) for script in scripts],
            licences=[(name, asset(f"LICENSE-{name}.txt")) for name in _LICENCES],
        )
        + "\n"
    )


def asset(name: str) -> str:
    """A file of an npm package, put there by hatch_build.py. Raises CannotCheckError."""
    try:
        return (files("opcheck.formats") / "assets" / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CannotCheckError(
            "This opcheck was not built: the HTML report's JavaScript is missing.",
            hint="Install it with pip, or in a checkout run: python hatch_build.py",
        ) from None


@cache
def _own(name: str) -> str:
    return (files("opcheck.formats.html") / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """As the Content-Security-Policy names an inline script: what is between its tags."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )


def _printable(value: object) -> object:
    """Everything the template prints; our own files, marked as safe, stay as they are."""
    return printable(value) if type(value) is str else value
