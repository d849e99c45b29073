"""``opcheck ops``: is an op supported there, for which types, since when."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from typing import TYPE_CHECKING

from opcheck.cli import nearest, outputs
from opcheck.cli.parser import Subparsers
from opcheck.errors import UsageError
from opcheck.formats.output import show

if TYPE_CHECKING:
    from opcheck.targets import Target

NAME = "ops"
_DESCRIPTION = """\
List the ops that a target's accelerator has kernels for, with their types.

With --op, one op: its types, the arguments that its kernels keep in host
memory, and the version since which it is so. With --compare, the ops that two
targets do not have alike."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="list the ops that a target supports", description=_DESCRIPTION
    )
    parser.add_argument("target", metavar="TARGET", nargs="?", help="such as metal@1.2.0,macos=12")
    parser.add_argument("--op", metavar="NAME", help="such as MatMul")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"), help="two targets")
    nearest.add_option(parser)


def run(arguments: argparse.Namespace) -> int:
    compared: list[str] = getattr(arguments, "compare", [])
    named: str | None = getattr(arguments, "target", None)
    op: str | None = getattr(arguments, "op", None)
    if bool(compared) == bool(named):
        raise UsageError("ops takes one TARGET, or --compare with two.")
    from opcheck.formats import ops
    from opcheck.targets import resolve, support

    targets = [
        resolve(spec, nearest=nearest.wanted(arguments)) for spec in compared or [named or ""]
    ]
    if op is not None:
        _must_exist(op, targets)
    width = outputs.terminal_width()
    if compared:
        left, right = targets
        text = ops.comparison(left, right, support.between(left, right), op, width)
    elif op is None:
        text = ops.listing(targets[0], width)
    else:
        (target,) = targets
        found = support.support(target, support.history(target), op)
        text = ops.one(target, op, found, width)
    show(text)
    return 0


def _must_exist(op: str, targets: list[Target]) -> None:
    """A misspelt name must not read as an op that nothing supports."""
    if any(target.defines(op) for target in targets):
        return
    beside = " and ".join(dict.fromkeys(target.tensorflow for target in targets))
    names = {name.lower(): name for t in targets for name in t.registry.ops()}
    near = get_close_matches(op.lower(), names, n=1)
    raise UsageError(
        f"TensorFlow {beside} has no op {op}.",
        hint=f"Did you mean {names[near[0]]}?" if near else None,
    )
