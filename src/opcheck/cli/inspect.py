"""``opcheck inspect``: layers and hazards only, the file read as data."""

from __future__ import annotations

import argparse

from opcheck.cli import outputs
from opcheck.cli.parser import Subparsers
from opcheck.formats import INSPECTION_FORMATS

NAME = "inspect"
_DESCRIPTION = """\
List every layer of a model file with its class, module and kind, and what is
hazardous in it.

The file is read as data: TensorFlow is not imported and nothing from the file
runs."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="list a model's layers without TensorFlow", description=_DESCRIPTION
    )
    parser.add_argument("model", metavar="MODEL")
    outputs.add_options(parser, INSPECTION_FORMATS)


def run(arguments: argparse.Namespace) -> int:
    wanted = outputs.chosen(arguments)
    from opcheck import pipeline

    outputs.emit(pipeline.inspect(arguments.model), INSPECTION_FORMATS, wanted)
    return 0
