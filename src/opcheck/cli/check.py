"""``opcheck check``: the main job."""

from __future__ import annotations

import argparse

import msgspec

from opcheck import config
from opcheck.cli import options as checking
from opcheck.cli import outputs, progress
from opcheck.cli.parser import Subparsers
from opcheck.formats import FORMATS
from opcheck.formats.output import write
from opcheck.report import Report

NAME = "check"
_DESCRIPTION = """\
Report which ops of a model leave the accelerator on each target, and why.

MODEL is a .h5, .keras or .pb file, a SavedModel folder, or
package.module:function.
TARGET is PLUGIN[@VERSION][,macos=N][,arch=ARCH][,tensorflow=N]: metal,
directml@0.4.0, metal@1.2.0,macos=12. Without -t: this machine's accelerator
when it has one, otherwise metal and directml.

Exit codes: 0 passed, 1 the gate failed, 2 could not check or incomplete,
3 wrong usage."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="check a model against targets", description=_DESCRIPTION
    )
    parser.usage = "%(prog)s MODEL [-t TARGET]... [options]"
    checking.add(parser)
    checking.add_model(parser)
    baselines = parser.add_mutually_exclusive_group()
    baselines.add_argument(
        "--baseline", metavar="FILE", help="accepted findings: only what is new fails"
    )
    baselines.add_argument(
        "--write-baseline",
        metavar="FILE",
        dest="new_baseline",
        help="accept what is found now, and write it there",
    )
    outputs.add_options(parser, FORMATS)


def run(arguments: argparse.Namespace) -> int:
    new_baseline: str | None = getattr(arguments, "new_baseline", None)
    options = checking.load(arguments)
    if new_baseline is not None:
        options = msgspec.structs.replace(options, baseline=None)
    wanted = outputs.chosen(arguments, options.baseline)
    from opcheck import pipeline  # after the cheap mistakes have been found

    with progress.shown() as stage:
        report = pipeline.check(arguments.model, options=options, progress=stage)
    if new_baseline is not None:
        report = _accepted(report, options, new_baseline)
    outputs.emit(report, FORMATS, wanted)
    return report.verdict.exit_code


def _accepted(report: Report, options: config.Options, path: str) -> Report:
    """Write what was found as the baseline, and judge again by it."""
    from opcheck.report import baseline, gate

    accepted = baseline.of(report)
    write(baseline.encode(accepted), path)
    return gate.judge(report, options, accepted)
