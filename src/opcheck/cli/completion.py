"""``opcheck completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from opcheck.cli.parser import Subparsers
from opcheck.formats.output import STDOUT, write

NAME = "completion"
_FILES = ("MODEL", "PATH", "FILE", "REPORT", "OLD", "NEW", "WHEEL")  # metavars that mean a file
_DESCRIPTION = """\
Print the completion script of a shell.

bash  source <(opcheck completion bash), in ~/.bashrc
zsh   opcheck completion zsh >"${fpath[1]}/_opcheck"
tcsh  opcheck completion tcsh >~/.opcheck.csh, and source it"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="print a shell's completion script", description=_DESCRIPTION
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(arguments: argparse.Namespace) -> int:
    import shtab

    from opcheck.cli import parser

    whole = parser()
    for action in _actions(whole):
        if str(action.metavar).startswith(_FILES):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    write(shtab.complete(whole, arguments.shell) + "\n", STDOUT)
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # argparse has no public way
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in dict.fromkeys(action.choices.values()):
                yield from _actions(inner)
