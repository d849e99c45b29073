"""``opcheck check``: the main job."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import get_args

import msgspec

from opcheck import config
from opcheck.cli import nearest, outputs, progress
from opcheck.cli.parser import Subparsers
from opcheck.formats import FORMATS
from opcheck.formats.output import check_writable, write
from opcheck.report import Report

NAME = "check"
_DESCRIPTION = """\
Report which ops of a model leave the accelerator on each target, and why.

MODEL is a .h5, .keras or .pb file, a SavedModel folder, or package.module:function.
A target is PLUGIN[@VERSION][,macos=N][,arch=ARCH][,tensorflow=N]: metal, directml@0.4.0,
metal@1.2.0,macos=12.
Without -t: this machine's accelerator when it has one, otherwise metal and directml.

Exit codes: 0 passed, 1 the gate failed, 2 could not check or incomplete, 3 wrong usage."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="check a model against targets", description=_DESCRIPTION
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("-t", "--target", action="append", dest="targets", help="may be repeated")
    nearest.add_option(parser)
    parser.add_argument("--step", choices=get_args(config.StepChoice), help="default: both")
    parser.add_argument(
        "--evidence",
        choices=get_args(config.EvidenceChoice),
        help="predicted: by the kernel registry; traced: by TensorFlow, on the device or an "
        "emulated one; both: and where they differ; default: auto, traced where that is possible",
    )
    parser.add_argument(
        "--fail-on",
        choices=get_args(config.FailOn),
        help="the mildest finding that makes the exit code 1; default: error",
    )
    limits = parser.add_argument_group("limits of the gate, for each step on each target")
    limits.add_argument(
        "--max-fallback-flops", type=float, metavar="SHARE", help="of the FLOPs on the CPU, 0 to 1"
    )
    limits.add_argument(
        "--max-crossings", type=int, metavar="N", help="copies between host and device memory"
    )
    limits.add_argument("--max-host-bytes", type=int, metavar="N", help="that are copied so")
    parser.add_argument(
        "--no-soft-placement",
        action="store_false",
        dest="soft_placement",
        help="report as failing what tf.config.set_soft_device_placement(False) would refuse",
    )
    parser.add_argument(
        "--allow-unknown", action="store_true", help="let ops pass whose placement is not known"
    )
    baselines = parser.add_mutually_exclusive_group()
    baselines.add_argument(
        "--baseline", metavar="FILE", help="of accepted findings: only what is new fails"
    )
    baselines.add_argument(
        "--write-baseline",
        metavar="FILE",
        dest="new_baseline",
        help="accept what is found now: write it there",
    )
    parser.add_argument(
        "--custom-objects",
        action="append",
        metavar="MODULE",
        help="a module of yours to import, which defines the model's own layers; may be repeated",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="let Lambda layers from the file run their code",
    )
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="of the traced step; default: 2"
    )
    parser.add_argument(
        "--input",
        action="append",
        dest="inputs",
        metavar="NAME=SHAPE[:DTYPE]",
        help="an input of the traced step, such as image=2,224,224,3:float32; may be repeated",
    )
    parser.add_argument("--input-file", metavar="FILE.npz", help="the values of inputs, by name")
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="for TensorFlow's part; default: 600"
    )
    outputs.add_options(parser, FORMATS)


def run(arguments: argparse.Namespace) -> int:
    wanted = outputs.chosen(arguments)
    new_baseline: str | None = getattr(arguments, "new_baseline", None)
    options = config.load(_given(arguments), start=Path.cwd(), environment=os.environ)
    if new_baseline is not None:
        check_writable(new_baseline)
        options = msgspec.structs.replace(options, baseline=None)
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


def _given(arguments: argparse.Namespace) -> dict[str, object]:
    """The options that were on the command line, by their names in the configuration."""
    given = {key.replace("_", "-"): value for key, value in vars(arguments).items()}
    return {key: value for key, value in given.items() if key in config.KEYS}
