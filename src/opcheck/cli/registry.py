"""``opcheck registry``: the kernels of a target, of a library or of this machine, as JSON."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from opcheck.cli import nearest, outputs, progress
from opcheck.cli.parser import Parser, Subparsers
from opcheck.errors import ExtractError
from opcheck.formats.escape import printable
from opcheck.formats.output import STDOUT, write

NAME = "registry"
_EXTRACT_NEEDS = ("lief", "unicorn")
_EXTRACT = """\
Recover the kernels of a plugin that opcheck does not know: a wheel, a .dylib
or a .so.

The library runs in an emulated processor that reaches nothing of this machine.
A wheel of TensorFlow itself works too, and takes a minute. With --format
target the output is a file for `opcheck check -t FILE[,tensorflow=N]`. Exit
code 2 when the list may be incomplete.

It needs: pip install 'opcheck[extract]'"""

_CAPTURE = """\
Take every kernel from the TensorFlow and the accelerator plugin that are
installed here: what this very machine has, whatever opcheck knows. The file is
a target: opcheck check MODEL -t FILE.

Exit code 2 when no plugin is installed."""


def add(subparsers: Subparsers) -> None:
    text = "Print kernel registrations as JSON: of a target, a library, or this machine."
    parser = subparsers.add_parser(NAME, help="print kernels as JSON", description=text)
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=Parser
    )
    export = actions.add_parser(
        "export",
        help="the kernels of a known target",
        description="Print every kernel that a target's system has (`opcheck targets` lists them).",
    )
    export.add_argument("target", metavar="TARGET", help="such as metal@1.2.0,macos=12")
    export.add_argument(
        "--layer",
        choices=("plugin", "core", "all"),
        default="all",
        help="the plugin's kernels, those of the TensorFlow beside it, or all (default)",
    )
    nearest.add_option(export)
    extract = actions.add_parser(
        "extract", help="the kernels of a wheel or library", description=_EXTRACT
    )
    extract.add_argument("library", metavar="WHEEL_OR_LIBRARY", type=Path)
    extract.add_argument(
        "--arch", choices=("arm64", "x86_64"), help="which part of a universal library"
    )
    capture = actions.add_parser(
        "capture",
        help="the kernels of the TensorFlow and plugin here",
        description=_CAPTURE,
    )
    capture.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="for TensorFlow's part; default: 600",
    )
    export.add_argument("-f", "--format", choices=("json",), help="how (default: json)")
    extract.add_argument(
        "-f",
        "--format",
        choices=("json", "target"),
        default="json",
        help="json: the kernels (default); target: with what else makes a file for -t",
    )
    for action in (export, extract, capture):
        action.add_argument(
            "-o", "--output", default=STDOUT, metavar="FILE", help="where (default: -)"
        )


def run(arguments: argparse.Namespace) -> int:
    outputs.check_destinations([arguments.output], arguments)
    actions = {"export": _export, "extract": _extract, "capture": _capture}
    return actions[arguments.action](arguments)


def _export(arguments: argparse.Namespace) -> int:
    from opcheck.formats import kernels
    from opcheck.formats.match import match_line
    from opcheck.targets import resolve

    target = resolve(arguments.target, nearest=nearest.wanted(arguments))
    if target.match != "exact":  # the list itself has no place for it
        line = printable(match_line(target.match, target.match_reason))
        print(f"opcheck: {line}", file=sys.stderr)
    registry = target.registry
    wanted = (
        kernel
        for op in registry.ops()
        for kernel in registry.kernels(op)
        if arguments.layer in ("all", kernel.origin)
    )
    write(kernels.render(wanted), arguments.output)
    return 0


def _extract(arguments: argparse.Namespace) -> int:
    try:
        from opcheck.extract.files import extract_file, recorded
    except ModuleNotFoundError as error:
        if error.name not in _EXTRACT_NEEDS:
            raise
        raise ExtractError(
            f"Recovering kernels needs {error.name}, which is not installed.",
            hint="pip install 'opcheck[extract]'",
        ) from None
    from opcheck.formats import kernels

    found = extract_file(arguments.library, getattr(arguments, "arch", None))
    if arguments.format == "target":
        text = kernels.render_recorded(recorded(arguments.library, found))
    else:
        text = kernels.render(found.kernels)
    write(text, arguments.output)
    for stopped in found.abandoned:
        print(f"opcheck: its kernels may be missing: {printable(stopped)}", file=sys.stderr)
    return 2 if found.abandoned else 0


def _capture(arguments: argparse.Namespace) -> int:
    from opcheck import worker
    from opcheck.formats import kernels

    with progress.shown() as stage:
        found = worker.capture(timeout=arguments.timeout, progress=stage)
    write(kernels.render_recorded(found), arguments.output)
    print(f"opcheck: {kernels.summary(found)}", file=sys.stderr)
    return 0
