"""``opcheck explain``: a rule's documentation, which is its docstring."""

from __future__ import annotations

import argparse
from difflib import get_close_matches

from opcheck.cli.parser import Subparsers
from opcheck.errors import UsageError
from opcheck.formats.output import show

NAME = "explain"


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="explain a rule", description="Print the documentation of a rule."
    )
    parser.add_argument("code", metavar="CODE", help="such as OPC101")


def run(arguments: argparse.Namespace) -> int:
    from opcheck.rules import RULES, docs

    by_code = {rule.code: rule for rule in RULES}
    code: str = arguments.code.upper()
    if code not in by_code:
        near = get_close_matches(code, by_code, n=1)
        raise UsageError(
            f"There is no rule {arguments.code}.",
            hint=f"Did you mean {near[0]}?" if near else f"Rules: {', '.join(by_code)}.",
        )
    show(f"{code}: {docs.text(by_code[code])}\n")
    return 0
