"""``opcheck targets``: every known target and where its data came from."""

from __future__ import annotations

import argparse

from opcheck.cli import outputs
from opcheck.cli.parser import Subparsers

NAME = "targets"


def add(subparsers: Subparsers) -> None:
    text = "List the known targets, newest first, with where their data came from."
    parser = subparsers.add_parser(NAME, help="list the known targets", description=text)
    outputs.add_options(parser, ("text", "json"))


def run(arguments: argparse.Namespace) -> int:
    wanted = outputs.chosen(arguments)
    from opcheck.formats import targets
    from opcheck.targets import known_targets

    outputs.emit(known_targets(), {"text": targets.render, "json": targets.render_json}, wanted)
    return 0
