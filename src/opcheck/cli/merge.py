"""``opcheck merge``: the reports of several machines as one."""

from __future__ import annotations

import argparse
from pathlib import Path

from opcheck.cli import options as checking
from opcheck.cli import outputs
from opcheck.cli.parser import Subparsers
from opcheck.formats import FORMATS

NAME = "merge"
_DESCRIPTION = """\
Join JSON reports of one model, made on several machines, into one.

Where two hold the same step on the same target, what was observed counts
before what was emulated, and that before what was predicted; ops that they
judge differently are listed as disagreements. The gate judges the whole
again, by the configuration here.

Exit codes are those of `opcheck check`."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="join the JSON reports of several machines", description=_DESCRIPTION
    )
    parser.add_argument("reports", metavar="REPORT.json", type=Path, nargs="+")
    checking.add_no_config(parser)
    outputs.add_options(parser, FORMATS)


def run(arguments: argparse.Namespace) -> int:
    options = checking.load(arguments)
    wanted = outputs.chosen(arguments, options.baseline)
    from opcheck.report import baseline, gate
    from opcheck.report.merging import merge
    from opcheck.report.reading import read

    merged = merge([read(path) for path in arguments.reports])
    report = gate.judge(merged, options, baseline.named_by(options))
    outputs.emit(report, FORMATS, wanted)
    return report.verdict.exit_code
