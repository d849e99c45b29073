"""``opcheck diff``: what got better and worse between two reports, models or targets."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from opcheck.cli import options as checking
from opcheck.cli import outputs, progress
from opcheck.cli.parser import Subparsers
from opcheck.cli.reports import is_report, label
from opcheck.errors import CannotCheckError, UsageError
from opcheck.formats import COMPARISON_FORMATS
from opcheck.report import Report

NAME = "diff"
_DESCRIPTION = """\
Say what gets better and what gets worse from OLD to NEW, each a JSON report or
a model (which is then checked), or from one target to another:

    opcheck diff model.keras -t metal@1.1.0 -t metal@1.2.0   two plugin versions
    opcheck diff old.keras new.keras -t metal                two models
    opcheck diff old.json new.json                           two reports
    opcheck diff report.json -t metal -t directml            two targets of one

Exit codes: 0 compared (1 when worse, with --fail-on-worse), 2 could not check
or compare all of OLD, 3 wrong usage."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="compare two reports, models or targets", description=_DESCRIPTION
    )
    parser.usage = "%(prog)s OLD [NEW] [-t TARGET]... [options]"
    parser.add_argument("old", metavar="OLD", help="a JSON report or a model")
    parser.add_argument("new", metavar="NEW", nargs="?", help="the same; default: OLD")
    checking.add_targets(parser)
    parser.add_argument(
        "--fail-on-worse", action="store_true", help="exit with 1 when something got worse"
    )
    outputs.add_options(parser, COMPARISON_FORMATS)
    parser.add_argument("--from", dest="source", metavar="TARGET", help="as the first of two -t")
    parser.add_argument("--to", dest="end", metavar="TARGET", help="as the second of two")
    checking.add_evidence(checking.add_running(parser))


def run(arguments: argparse.Namespace) -> int:
    wanted = outputs.chosen(arguments)
    old: str = arguments.old
    new: str = getattr(arguments, "new", old)
    named = _targets(arguments)
    if "new" not in vars(arguments) and len(named) != 2:
        raise UsageError(
            "There is one side only to compare.",
            hint="Give OLD and NEW, or two targets: -t metal@1.1.0 -t metal@1.2.0.",
        )
    from opcheck.report.comparison import compare

    if old == new:
        before = after = _report(old, named, arguments)
    else:
        before = _report(old, named[:1], arguments)
        after = _report(new, named[-1:], arguments)
    ends = _ends(named, (old, before), (new, after)) if named else None
    comparison = compare(before, after, ends)
    outputs.emit(comparison, COMPARISON_FORMATS, wanted)
    if comparison.incomplete:
        return 2
    return 1 if comparison.worse and "fail_on_worse" in vars(arguments) else 0


def _targets(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The old side's and the new side's, of -t or of --from and --to; none where none is named."""
    named = tuple(getattr(arguments, "targets", ()))
    ends = tuple(vars(arguments)[end] for end in ("source", "end") if end in vars(arguments))
    if named and ends:
        raise UsageError("--from and --to do not go with -t.", hint="Give -t twice.")
    if len(named) > 2:
        raise UsageError(f"-t is given {len(named)} times.", hint="diff compares two targets.")
    named = named or ends
    return named * 2 if len(named) == 1 and hasattr(arguments, "new") else named


def _report(what: str, named: tuple[str, ...], arguments: argparse.Namespace) -> Report:
    """Of the step that is asked for: what a JSON report holds, or a check of the model says."""
    report = _read(what) if is_report(what) else _checked(what, named, arguments)
    step: str = getattr(arguments, "step", "both")
    results = tuple(r for r in report.results if step in ("both", r.step))
    if report.results and not results:
        raise CannotCheckError(f"{what} has no {step} step.")
    return msgspec.structs.replace(report, results=results)


def _read(path: str) -> Report:
    from opcheck.report.reading import read

    return read(Path(path))


def _checked(model: str, named: tuple[str, ...], arguments: argparse.Namespace) -> Report:
    options = checking.load(arguments, **({"targets": named} if named else {}))
    options = msgspec.structs.replace(options, baseline=None)  # the gate is not asked
    from opcheck import pipeline  # after the cheap mistakes have been found

    with progress.shown() as stage:
        return pipeline.check(model, options=options, progress=stage)


def _ends(
    named: tuple[str, ...], old: tuple[str, Report], new: tuple[str, Report]
) -> tuple[str, str]:
    """What the sides call the targets that were named. A check has no others, in their order."""
    second = -1 if old == new else 0
    ends = [
        label(name, what, report) if is_report(what) else report.labels[place]
        for name, (what, report), place in zip(named, (old, new), (0, second), strict=True)
    ]
    return ends[0], ends[1]
