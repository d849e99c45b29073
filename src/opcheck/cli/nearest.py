"""``--nearest``, for every command that takes a target."""

from __future__ import annotations

import argparse

from opcheck.cli.parser import Parser


def add_option(parser: Parser) -> None:
    parser.add_argument(
        "--nearest",
        action="store_true",
        help="take the nearest known target where there is none of that version, system or "
        "TensorFlow; the first line says so",
    )


def wanted(arguments: argparse.Namespace) -> bool:
    return getattr(arguments, "nearest", False)
