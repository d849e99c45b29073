"""``opcheck fix``: a copy of a model with layers rewritten so that they stay on the accelerator."""

from __future__ import annotations

import argparse

from opcheck.cli import nearest, options, outputs, progress
from opcheck.cli.parser import Subparsers
from opcheck.formats.output import show

NAME = "fix"
_DESCRIPTION = """\
Write a copy of MODEL in which layers are replaced by others of Keras' own that
compute the same numbers and stay on the target's accelerator. The weights are
kept, and the outputs of both files are compared on random input: unless they
agree, nothing is written.

MODEL is a .keras or .h5 file of a functional or sequential model. What would
need a judgement, or layers of your own, is left as it is.

Exit codes: 0 written, 2 nothing to rewrite or not proven the same, 3 wrong
usage."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="rewrite layers that leave the accelerator", description=_DESCRIPTION
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("-t", "--target", required=True, metavar="TARGET")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FIXED", help="a .keras or .h5 file"
    )
    nearest.add_option(parser)
    options.add_building(parser)


def run(arguments: argparse.Namespace) -> int:
    outputs.check_destinations([arguments.output], arguments)
    chosen = options.load(arguments)
    from opcheck import fixing  # after the cheap mistakes have been found
    from opcheck.formats import fix

    with progress.shown() as stage:
        done = fixing.fix(arguments.model, arguments.target, arguments.output, chosen, stage)
    text = fix.render(
        done.output, done.target, done.reply, done.before, done.after, outputs.stdout_style()
    )
    show(text)
    return 0
