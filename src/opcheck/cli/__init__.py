"""The command line: one module a subcommand. Only ``main`` exits."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

import opcheck
from opcheck.cli import (
    check,
    completion,
    diff,
    doctor,
    explain,
    fix,
    graph,
    inspect,
    merge,
    ops,
    registry,
    report,
    scan,
    targets,
    trace,
)
from opcheck.cli.parser import Parser, Run
from opcheck.errors import OpcheckError, UsageError
from opcheck.formats.escape import printable

__all__ = ["main", "run"]

_COMMANDS = {
    module.NAME: module
    for module in (
        check,
        scan,
        trace,
        inspect,
        fix,
        diff,
        merge,
        report,
        graph,
        targets,
        ops,
        registry,
        explain,
        doctor,
        completion,
    )
}
_ALONE = ("-h", "--help", "--version")  # options that go without a command
_DESCRIPTION = """\
Which ops of a Keras model leave the GPU on Apple Metal or DirectML, and why.

`opcheck MODEL` is short for `opcheck check MODEL`: opcheck check --help."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal's encoding does not have
            stream.reconfigure(errors="backslashreplace")
    for name in ("SIGTERM", "SIGHUP"):  # a cancelled build leaves as little behind as Ctrl-C
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run a command and return its exit code; mistakes go to standard error, one line each."""
    debug = "--debug" in argv
    words = [word for word in argv if word != "--debug"]
    try:
        arguments = _parse(words)
        command: Run = _COMMANDS[arguments.command].run
        return command(arguments)
    except OpcheckError as error:
        _complain([f"opcheck: {error}"], error if debug else None)
        return error.exit_code
    except KeyboardInterrupt:
        _complain(["opcheck: interrupted"])
        return 2
    except Exception as error:
        lines = [
            f"opcheck: a mistake of opcheck's own: {type(error).__name__}: {error}",
            "Please report it with what `opcheck doctor` and this command with --debug print.",
        ]
        _complain(lines, error if debug else None)
        return 2


def parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog="opcheck", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"opcheck {opcheck.__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error (any command)"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for module in _COMMANDS.values():
        module.add(subparsers)
    return parser


def _parse(words: list[str]) -> argparse.Namespace:
    if not words:  # not help and exit 0: `opcheck $MODEL` with an empty variable must not pass
        raise UsageError("No model was given.", hint="opcheck --help shows how.")
    if words[0] not in (*_COMMANDS, *_ALONE):
        _refuse_misspelt(words[0])
        words = [check.NAME, *words]
    return parser().parse(words)


def _refuse_misspelt(word: str) -> None:
    """`opcheck chekc x.h5` is a command misspelt, not a model of that name."""
    near = get_close_matches(word, (*_COMMANDS, *_ALONE), n=1, cutoff=0.75)
    if near and near != [word] and not Path(word).exists():
        what = "option" if word.startswith("-") else "command"
        raise UsageError(f"There is no {what} {word}.", hint=f"Did you mean {near[0]}?")


def _complain(lines: list[str], error: Exception | None = None) -> None:
    """Each line stays one, whatever names it quotes: GitHub's runner takes commands from these."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError):  # the exit code still tells
        if error is not None:
            traceback.print_exception(error)
        print("\n".join(map(printable, lines)), file=sys.stderr)
