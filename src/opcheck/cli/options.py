"""The options that every checking subcommand has."""

from __future__ import annotations

import argparse
from typing import get_args

from opcheck import config
from opcheck.cli import nearest
from opcheck.cli.parser import Parser


def add(parser: Parser) -> None:
    add_step(parser)
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


def add_step(parser: Parser) -> None:
    """Which step on which targets, and how it is traced."""
    parser.add_argument("-t", "--target", action="append", dest="targets", help="may be repeated")
    nearest.add_option(parser)
    parser.add_argument("--step", choices=get_args(config.StepChoice), help="default: both")
    add_building(parser)


def add_building(parser: Parser) -> None:
    """What a subcommand needs that builds the model."""
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
        "--timeout", type=float, metavar="SECONDS", help="for TensorFlow's part; default: 600"
    )
    parser.add_argument(
        "--memory", type=float, metavar="GIB", help="for TensorFlow's part; default: half of it all"
    )


def add_model(parser: Parser) -> None:
    """The model, for commands that take one, and its inputs."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--input",
        action="append",
        dest="inputs",
        metavar="NAME=SHAPE[:DTYPE]",
        help="an input of the traced step, such as image=2,224,224,3:float32; may be repeated",
    )
    parser.add_argument("--input-file", metavar="FILE.npz", help="the values of inputs, by name")


def given(arguments: argparse.Namespace) -> dict[str, object]:
    """The options that were on the command line, by their names in the configuration."""
    words = {key.replace("_", "-"): value for key, value in vars(arguments).items()}
    return {key: value for key, value in words.items() if key in config.KEYS}
