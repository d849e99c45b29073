"""``opcheck diff``: what got better and worse between two reports, models or targets."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import msgspec

from opcheck import config
from opcheck.cli import options as checking
from opcheck.cli import outputs, progress
from opcheck.cli.parser import Subparsers
from opcheck.errors import UsageError
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

Exit codes: 0 compared (1 when worse, with --fail-on-worse), 2 could not check,
3 wrong usage."""


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
    source, target = _labels(named, before, after)
    comparison = compare(before, after, source=source, target=target)
    outputs.emit(comparison, COMPARISON_FORMATS, wanted)
    return 1 if comparison.worse and "fail_on_worse" in vars(arguments) else 0


def _targets(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The old side's and the new side's, of -t or of --from and --to; none where none is named."""
    named = tuple(getattr(arguments, "targets", ()))
    ends = tuple(vars(arguments)[end] for end in ("source", "end") if end in vars(arguments))
    if named and ends:
        raise UsageError("--from and --to do not go with -t.", hint="Give -t twice.")
    if len(named) > 2:
        raise UsageError(f"-t is given {len(named)} times.", hint="diff compares two targets.")
    if len(named) == 1 and not hasattr(arguments, "new"):
        return named
    named = named or ends
    return named * 2 if len(named) == 1 else named


def _report(what: str, named: tuple[str, ...], arguments: argparse.Namespace) -> Report:
    """What is in a JSON report, or what a check of the model says."""
    if Path(what).suffix == ".json":
        from opcheck.report.reading import read

        return read(Path(what))
    given = checking.given(arguments) | ({"targets": named} if named else {})
    options = config.load(given, start=Path.cwd(), environment=os.environ)
    options = msgspec.structs.replace(options, baseline=None)  # the gate is not asked
    from opcheck import pipeline  # after the cheap mistakes have been found

    with progress.shown() as stage:
        return pipeline.check(what, options=options, progress=stage)


def _labels(
    named: tuple[str, ...], before: Report, after: Report
) -> tuple[str, str] | tuple[None, None]:
    """What the reports call the targets that were named."""
    if not named:
        return None, None
    labels = _label(named[0], before), _label(named[1], after)
    known = _known(before)
    if before is after and len(known) == 2 and not set(labels) <= set(known):
        return known[0], known[1]  # two of one version, in the order in which they were named
    return labels


def _label(name: str, report: Report) -> str:
    """The report's only one that ``metal`` or ``metal@1.2.0,macos=12`` can mean; else the name."""
    version = name.partition(",")[0]
    found = [known for known in _known(report) if version in (known, known.partition("@")[0])]
    return found[0] if name not in _known(report) and len(found) == 1 else name


def _known(report: Report) -> tuple[str, ...]:
    return tuple(dict.fromkeys(result.target for result in report.results))
