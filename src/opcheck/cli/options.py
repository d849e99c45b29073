"""The options that every checking subcommand has."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, get_args

from opcheck import config
from opcheck.cli import nearest
from opcheck.cli.parser import Parser
from opcheck.errors import UsageError


class _Options(Protocol):
    """A parser, or a group of its options."""

    @property
    def add_argument(self) -> Callable[..., argparse.Action]: ...


def add(parser: Parser) -> None:
    add_targets(parser)
    parser.add_argument(
        "--fail-on",
        choices=get_args(config.FailOn),
        help="the mildest finding that makes the exit code 1; default: error",
    )
    parser.add_argument(
        "--allow-unknown", action="store_true", help="let ops pass whose placement is not known"
    )
    limits = parser.add_argument_group("limits, for each step on each target (exit code 1 above)")
    limits.add_argument(
        "--max-fallback-flops",
        type=float,
        metavar="SHARE",
        help="share of the FLOPs that leave the accelerator, 0 to 1",
    )
    limits.add_argument(
        "--max-crossings",
        type=int,
        metavar="N",
        help="tensors copied between host and device memory",
    )
    limits.add_argument(
        "--max-host-bytes", type=int, metavar="N", help="bytes of those tensors together"
    )
    running = add_running(parser)
    add_evidence(running)
    running.add_argument(
        "--no-soft-placement",
        action="store_false",
        dest="soft_placement",
        help="report as failing what tf.config.set_soft_device_placement(False) would refuse",
    )


def add_step(parser: Parser) -> None:
    """Which step on which targets, and how it is traced."""
    add_targets(parser)
    add_running(parser)


def add_targets(parser: Parser) -> None:
    parser.add_argument(
        "-t",
        "--target",
        action="append",
        dest="targets",
        metavar="TARGET",
        help="such as metal or metal@1.2.0,macos=12; may be repeated",
    )
    nearest.add_option(parser)
    parser.add_argument("--step", choices=get_args(config.StepChoice), help="default: both")


def add_running(parser: Parser) -> _Options:
    """The group of what concerns TensorFlow's part."""
    running = parser.add_argument_group("how TensorFlow builds and runs the model")
    add_building(running)
    return running


def add_evidence(options: _Options) -> None:
    options.add_argument(
        "--evidence",
        choices=get_args(config.EvidenceChoice),
        help="predicted: by the kernel registry; traced: by TensorFlow, on the device or an "
        "emulated one; both: and where they differ; default: auto, traced where that is possible",
    )


def add_no_config(options: _Options) -> None:
    options.add_argument(
        "--no-config",
        action="store_true",
        help="read no opcheck.toml or pyproject.toml, which may name modules to import",
    )


def add_building(options: _Options) -> None:
    """What a subcommand needs that builds the model."""
    options.add_argument(
        "--custom-objects",
        action="append",
        metavar="MODULE",
        help="a module of yours to import, which defines the model's own layers; may be repeated",
    )
    options.add_argument(
        "--trust",
        action="store_true",
        help="let Lambda layers from the file run their code",
    )
    options.add_argument(
        "--assume-shape",
        action="append",
        dest="assume_shapes",
        metavar="LAYER=SHAPE[:DTYPE]",
        help="the output of a layer that is not rebuilt, such as mix=?,16,64:float32; may be "
        "repeated",
    )
    add_no_config(options)
    options.add_argument("--batch-size", type=int, metavar="N", help="of the step; default: 2")
    options.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="for TensorFlow's part; default: 600"
    )
    options.add_argument(
        "--memory",
        type=float,
        metavar="GIB",
        help="for TensorFlow's part; default: half of the machine's, at least 4",
    )


def load(arguments: argparse.Namespace, **instead: object) -> config.Options:
    """The options in force; ``instead`` of what the command line says. Raises UsageError."""
    start = None if getattr(arguments, "no_config", False) else _here()
    return config.load(given(arguments) | instead, start=start, environment=os.environ)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"The current folder cannot be read: {error.strerror}.") from error


def add_model(parser: Parser) -> None:
    """The model, for commands that take one, and its inputs."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--signature",
        metavar="NAME",
        help="which of a SavedModel's to check; default: the one it serves",
    )
    inputs = parser.add_argument_group("inputs of the step, which opcheck chooses otherwise")
    inputs.add_argument(
        "--input",
        action="append",
        dest="inputs",
        metavar="NAME=SHAPE[:DTYPE]",
        help="such as image=2,224,224,3:float32; may be repeated",
    )
    inputs.add_argument("--input-file", metavar="FILE.npz", help="the values of inputs, by name")


def given(arguments: argparse.Namespace) -> dict[str, object]:
    """The options that were on the command line, by their names in the configuration."""
    words = {key.replace("_", "-"): value for key, value in vars(arguments).items()}
    return {key: value for key, value in words.items() if key in config.KEYS}
