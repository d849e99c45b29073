"""argparse, with a wrong option as a UsageError rather than argparse's own exit with 2."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import NoReturn, Protocol

from opcheck.errors import UsageError

_HELP_COLUMN = 26  # a little more than argparse's own: most options fit before it


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_HELP_COLUMN)


class Parser(argparse.ArgumentParser):
    """Options that were not given are absent from the result, so they shadow no configuration."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            formatter_class=_Formatter,
            **kwargs,  # type: ignore[arg-type]
        )

    def parse(self, words: list[str]) -> argparse.Namespace:
        """Raises UsageError for a word that is no option, with the nearest one that is."""
        arguments, unknown = self.parse_known_args(words)
        if unknown:
            raise self._unknown(unknown, arguments)
        return arguments

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument ([\w/-]+): ", r"\1: ", message)
        raise UsageError(f"{message}.", hint=_nearest_choice(message) or self._help())

    def _unknown(self, words: list[str], arguments: argparse.Namespace) -> UsageError:
        """Reported by the subcommand's own parser, which knows the options there are."""
        parser = self
        for inner in filter(None, (getattr(arguments, k, None) for k in ("command", "action"))):
            for action in parser._actions:  # argparse has no public way
                if isinstance(action, argparse._SubParsersAction) and inner in action.choices:
                    parser = action.choices[inner]
        options = parser._option_string_actions
        near = (_nearest(word.partition("=")[0], options) for word in words if word[:1] == "-")
        hint = next((f"Did you mean {name}?" for name in near if name), parser._help())
        return UsageError(f"unrecognized arguments: {' '.join(words)}.", hint=hint)

    def _help(self) -> str:
        return f"{self.prog} --help shows how."


def _nearest(word: str, known: Collection[str]) -> str | None:
    return next(iter(get_close_matches(word, known, n=1)), None)


def _nearest_choice(message: str) -> str | None:
    """For argparse's ``--step: invalid choice: 'trian' (choose from 'inference', ...)``."""
    match = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
    near = match and _nearest(match[1], match[2].replace("'", "").split(", "))
    return f"Did you mean {near}?" if near else None


Run = Callable[[argparse.Namespace], int]
"""A subcommand: parsed arguments -> exit code."""


class Subparsers(Protocol):
    """What ``add_subparsers`` returns, as far as subcommands use it."""

    def add_parser(self, name: str, *, help: str, description: str) -> Parser: ...  # noqa: A002
