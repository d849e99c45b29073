"""Where reports go: ``--format`` and ``-o`` in pairs, the width, the colour."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from opcheck.cli.parser import Parser
from opcheck.errors import UsageError
from opcheck.formats import Style
from opcheck.formats.numbers import count
from opcheck.formats.output import STDOUT, check_writable, show, write

_WIDTH = 100  # columns, where there is no terminal to ask
_NARROW, _WIDE = 60, 160

Document = TypeVar("Document")


@dataclass(frozen=True)
class Output:
    format: str
    destination: str


def add_options(parser: Parser, formats: Collection[str]) -> None:
    parser.add_argument(
        "-f",
        "--format",
        action="append",
        choices=tuple(formats),
        dest="formats",
        metavar="FORMAT",
        help=f"{', '.join(formats)} (default: text); may be repeated, each with its own -o",
    )
    parser.add_argument(
        "-o",
        "--output",
        action="append",
        dest="outputs",
        metavar="FILE",
        help="where to; - is standard output (the default); the nth goes with the nth -f",
    )


def chosen(arguments: argparse.Namespace) -> tuple[Output, ...]:
    """The outputs asked for, each known to be writable. Raises UsageError."""
    formats: list[str] = getattr(arguments, "formats", None) or ["text"]
    destinations: list[str] = getattr(arguments, "outputs", [])
    if len(destinations) > len(formats):
        raise UsageError(
            f"-o is given {len(destinations)} times for {count(len(formats), 'format')}.",
            hint="Give --format FORMAT and -o FILE in pairs.",
        )
    destinations = destinations + [STDOUT] * (len(formats) - len(destinations))
    model = Path(getattr(arguments, "model", ""))
    for destination in destinations:
        check_writable(destination)
        if model.is_file() and Path(destination).resolve() == model.resolve():
            raise UsageError(f"-o {destination} would overwrite the model.")
        if destinations.count(destination) > 1:
            where = "Standard output" if destination == STDOUT else destination
            raise UsageError(
                f"{where} can take one format only.", hint="Give each --format its own -o FILE."
            )
    return tuple(map(Output, formats, destinations))


def emit(
    document: Document,
    formats: Mapping[str, Callable[[Document, Style], str]],
    outputs: Collection[Output],
) -> None:
    for output in outputs:
        style = stdout_style() if output.destination == STDOUT else Style(_WIDTH)
        text = formats[output.format](document, style)
        if output == Output("text", STDOUT):
            show(text)
        else:
            write(text, output.destination)


def terminal_width() -> int | None:
    """The columns of the terminal that standard output is; None where it is no terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return min(max(shutil.get_terminal_size((_WIDTH, 24)).columns, _NARROW), _WIDE)


def stdout_style() -> Style:
    width = terminal_width()
    if width is None:
        return Style(_WIDTH)
    return Style(width, "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb")
