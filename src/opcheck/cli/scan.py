"""``opcheck scan``: check every model in folders."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import opcheck
from opcheck.cli import options as checking
from opcheck.cli import outputs, progress
from opcheck.cli.parser import Subparsers
from opcheck.errors import OpcheckError, UsageError
from opcheck.formats import SCAN_FORMATS

NAME = "scan"
_DESCRIPTION = """\
Check every model that is named, and every one in the folders that are: .h5,
.hdf5, .keras and .pb files and SavedModel folders.

The exit code is the worst of all: 2 when one could not be checked, or none
was found."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(NAME, help="check many models", description=_DESCRIPTION)
    parser.usage = "%(prog)s PATH... [-t TARGET]... [options]"
    parser.add_argument("paths", metavar="PATH", nargs="+")
    parser.add_argument(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help="paths or names to leave out, such as '*weights*'; may be repeated",
    )
    checking.add(parser)
    outputs.add_options(parser, SCAN_FORMATS)


def run(arguments: argparse.Namespace) -> int:
    options = checking.load(arguments)
    from opcheck import pipeline
    from opcheck.report import SCHEMA_VERSION, Tool
    from opcheck.report.scan import Scan, Scanned, find

    found = find(arguments.paths, getattr(arguments, "exclude", ()))
    wanted = outputs.chosen(arguments, options.baseline, *found)
    models: list[Scanned] = []
    with progress.shown() as stage:
        for number, (path, unread) in enumerate(found.items(), 1):
            show = partial(_show, stage, f"{number}/{len(found)} {path}")
            if unread is not None:
                why = f"{path} cannot be searched: {unread.strerror}."
                models.append(Scanned(_text(path), None, _text(why)))
                continue
            try:
                models.append(Scanned(path, pipeline.check(path, (), options, show), None))
            except UsageError:  # it would be the same for every model
                raise
            except OpcheckError as error:
                models.append(Scanned(_text(path), None, _text(str(error))))
    scan = Scan(SCHEMA_VERSION, Tool("opcheck", opcheck.__version__), tuple(models))
    outputs.emit(scan, SCAN_FORMATS, wanted)
    return scan.exit_code


def _text(name: str) -> str:
    """A file's name may be no text; then nothing but this line can be said of it."""
    return name.encode("utf-8", "backslashreplace").decode()


def _show(stage: Callable[[str], None], where: str, name: str) -> None:
    stage(f"{where}: {name}")
