"""argparse, with a wrong option as a UsageError rather than argparse's own exit with 2."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import NoReturn, Protocol

from opcheck.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Options that were not given are absent from the result, so they shadow no configuration."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,  # type: ignore[arg-type]
        )

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument ([\w/-]+): ", r"\1: ", message)
        raise UsageError(f"{message}.", hint=f"{self.prog} --help shows how.")


Run = Callable[[argparse.Namespace], int]
"""A subcommand: parsed arguments -> exit code."""


class Subparsers(Protocol):
    """What ``add_subparsers`` returns, as far as subcommands use it."""

    def add_parser(self, name: str, *, help: str, description: str) -> Parser: ...  # noqa: A002
