"""``opcheck report``: render a JSON report again, without TensorFlow."""

from __future__ import annotations

import argparse
from pathlib import Path

from opcheck.cli import outputs
from opcheck.cli.parser import Subparsers
from opcheck.formats import FORMATS

NAME = "report"


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME,
        help="render a JSON report again",
        description="Render a JSON report in another format, without TensorFlow.",
    )
    parser.add_argument("report", metavar="REPORT.json", type=Path)
    outputs.add_options(parser, FORMATS)


def run(arguments: argparse.Namespace) -> int:
    """0 whatever the report says: the gate spoke when it was made."""
    wanted = outputs.chosen(arguments)
    from opcheck.report.reading import read

    outputs.emit(read(arguments.report), FORMATS, wanted)
    return 0
