"""``opcheck graph``: the layers of a model as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from opcheck.cli import options as checking
from opcheck.cli import outputs, progress
from opcheck.cli.parser import Subparsers
from opcheck.cli.reports import is_report, label
from opcheck.errors import CannotCheckError, UsageError
from opcheck.formats import layergraph
from opcheck.formats.layergraph import LayerGraph
from opcheck.formats.output import STDOUT, write
from opcheck.report import Report

NAME = "graph"
_DESCRIPTION = """\
Draw the graph of a model's layers as SVG, for documents.

With -t the model is checked and the layers are coloured by what leaves the
accelerator; options that are not given here come from the configuration.
Without -t the graph is that of the stored config, and TensorFlow is not
needed. A JSON report is drawn as it is."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(NAME, help="draw the layers as SVG", description=_DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", help="as for check, or a JSON report")
    parser.add_argument(
        "-t", "--target", dest="target", metavar="TARGET", help="colour by this target"
    )
    parser.add_argument(
        "--step",
        choices=("inference", "training"),
        help="which step to colour by; default: inference",
    )
    parser.add_argument(
        "--depth", type=int, metavar="N", help="levels of nested models to draw; default: all"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    checking.add_running(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 whatever the checks say: a picture is no gate."""
    destination: str = getattr(arguments, "output", STDOUT)
    outputs.check_destinations([destination], arguments)
    from opcheck.formats import svg

    write(svg.render(_graph(arguments)), destination)
    return 0


def _graph(arguments: argparse.Namespace) -> LayerGraph:
    target: str | None = getattr(arguments, "target", None)
    step: str = getattr(arguments, "step", "inference")
    depth: int | None = getattr(arguments, "depth", None)
    if depth is not None and depth < 1:
        raise UsageError(f"--depth {depth}: it takes a number from 1.")
    if is_report(arguments.model):
        from opcheck.report import reading

        report = reading.read(Path(arguments.model))
        wanted = label(target, arguments.model, report) if target is not None else None
    elif target is None:
        return _of_file(arguments.model, depth)
    else:
        report, wanted = _checked(arguments, target, step), None  # there is no other
    found = [r for r in report.results if r.step == step and wanted in (None, r.target)]
    if not found:
        there = dict.fromkeys(f"{result.step} on {result.target}" for result in report.results)
        raise CannotCheckError(
            f"{arguments.model} cannot be drawn: it has no {step} on {wanted or 'any target'}.",
            hint=f"It has {', '.join(there) or 'no result'}.",
        )
    if not found[0].ops:
        why = " ".join(found[0].incomplete)
        raise CannotCheckError(f"{arguments.model} cannot be drawn: {why}")
    return layergraph.of_result(report, found[0], depth)


def _of_file(model: str, depth: int | None) -> LayerGraph:
    """Read as data, nothing run."""
    from opcheck import loading
    from opcheck.loading.topology import layer_edges
    from opcheck.report import build

    source = loading.read(model)
    if not source.layers:
        raise CannotCheckError(f"{model} stores no layers.", hint="Give a target with -t.")
    return layergraph.of_model(build.inspection(source).model, layer_edges(source), depth)


def _checked(arguments: argparse.Namespace, target: str, step: str) -> Report:
    options = checking.load(arguments, targets=(target,), step=step)
    from opcheck import pipeline

    with progress.shown() as stage:
        return pipeline.check(arguments.model, options=options, progress=stage)
