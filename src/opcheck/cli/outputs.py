"""Where reports go: ``--format`` and ``-o`` in pairs, the width, the colour."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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

_INPUTS = (
    *("model", "report", "reports", "old", "new", "paths", "library"),
    *("baseline", "input_file"),
)
"""Where the subcommands have the names of the files that they read."""

_SAVED_MODEL = (
    *("saved_model.pb", "keras_metadata.pb", "fingerprint.pb"),
    *("variables", "assets", "assets.extra"),
)
"""What belongs to a SavedModel in its folder, the file that makes it one first."""

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


def chosen(arguments: argparse.Namespace, *read: str | None) -> tuple[Output, ...]:
    """The outputs asked for, each known to be writable. ``read`` are files that are read besides
    those that ``arguments`` name. Raises UsageError."""
    formats: list[str] = getattr(arguments, "formats", None) or ["text"]
    destinations: list[str] = getattr(arguments, "outputs", [])
    if len(destinations) > len(formats):
        raise UsageError(
            f"-o is given {len(destinations)} times for {count(len(formats), 'format')}.",
            hint="Give --format FORMAT and -o FILE in pairs.",
        )
    destinations = destinations + [STDOUT] * (len(formats) - len(destinations))
    check_destinations([*destinations, *_named(arguments, "new_baseline")], arguments, *read)
    return tuple(map(Output, formats, destinations))


def check_destinations(
    destinations: Iterable[str], arguments: argparse.Namespace, *read: str | None
) -> None:
    """Raises UsageError for one that cannot be written, or that would overwrite what is read or
    what else is written."""
    targets = (target.partition(",")[0] for target in _named(arguments, "target", "targets"))
    names = (*_named(arguments, *_INPUTS), *(t for t in targets if t.endswith(".json")), *read)
    inputs = {_identity(part) for name in filter(None, names) for part in _parts(name)} - {None}
    taken = set()
    for destination in destinations:
        check_writable(destination)
        place = _place(destination)
        if place != STDOUT and _is_among(inputs, destination):
            raise UsageError(
                f"{destination} would be overwritten, and it is read here.",
                hint="Write to another file.",
            )
        if place in taken:
            where = "Standard output" if destination == STDOUT else destination
            raise UsageError(
                f"{where} can take one output only.", hint="Give each --format its own -o FILE."
            )
        taken.add(place)


def _named(arguments: argparse.Namespace, *options: str) -> Iterator[str]:
    for option in options:
        value = getattr(arguments, option, ())
        yield from map(str, value if isinstance(value, list | tuple) else (value,))


def _parts(name: str) -> Sequence[str]:
    """Of a SavedModel, which is a folder, what belongs to it."""
    parts = [str(Path(name, part)) for part in _SAVED_MODEL]
    return parts if _identity(parts[0]) is not None else [name]


def _is_among(inputs: Collection[tuple[int, int] | None], destination: str) -> bool:
    """Whether it is one of the files, or a file in one of the folders."""
    place = Path(os.path.realpath(destination))
    return place.is_file() and any(_identity(str(p)) in inputs for p in (place, *place.parents))


def _place(destination: str) -> object:
    if destination == STDOUT:
        return STDOUT
    return _identity(destination) or os.path.realpath(destination)


def _identity(name: str) -> tuple[int, int] | None:
    """The same for all names of one file: links, or in another case where that makes no other."""
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
