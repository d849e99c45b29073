"""``opcheck diff``: what got better and worse between two reports."""

from __future__ import annotations

import argparse
from pathlib import Path

from opcheck.cli import outputs
from opcheck.cli.parser import Subparsers
from opcheck.formats import COMPARISON_FORMATS

NAME = "diff"
_DESCRIPTION = """\
Say what got better and what got worse from one JSON report to another: after a change of the model,
of the target or of the plugin's version.

With --from and --to, two targets are compared, also of one report:
    opcheck MODEL -t metal@1.1.0 -t metal@1.2.0 --format json -o report.json
    opcheck diff report.json report.json --from metal@1.1.0 --to metal@1.2.0"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(NAME, help="compare two JSON reports", description=_DESCRIPTION)
    parser.add_argument("old", metavar="OLD.json", type=Path)
    parser.add_argument("new", metavar="NEW.json", type=Path)
    parser.add_argument("--from", dest="source", metavar="TARGET", help="the old report's target")
    parser.add_argument("--to", dest="target", metavar="TARGET", help="the new report's target")
    parser.add_argument(
        "--fail-on-worse", action="store_true", help="exit with 1 when something got worse"
    )
    outputs.add_options(parser, COMPARISON_FORMATS)


def run(arguments: argparse.Namespace) -> int:
    wanted = outputs.chosen(arguments)
    from opcheck.report.comparison import compare
    from opcheck.report.reading import read

    comparison = compare(
        read(arguments.old),
        read(arguments.new),
        source=getattr(arguments, "source", None),
        target=getattr(arguments, "target", None),
    )
    outputs.emit(comparison, COMPARISON_FORMATS, wanted)
    return 1 if comparison.worse and "fail_on_worse" in vars(arguments) else 0
