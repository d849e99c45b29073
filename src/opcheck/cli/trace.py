"""``opcheck trace``: run the step on each target's device, and log it for TensorBoard."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from opcheck.cli import options as checking
from opcheck.cli import progress
from opcheck.cli.parser import Subparsers
from opcheck.errors import UsageError
from opcheck.formats.escape import printable
from opcheck.formats.output import show, write
from opcheck.formats.style import Style
from opcheck.interrupts import temporary_folder, uninterrupted

NAME = "trace"
REPORT = "report.json"
_DESCRIPTION = f"""\
Run a model's step on each target's device, or on an emulated one, and write a
folder that TensorBoard opens: the graph with the device of every op, and a
profile of the run. {REPORT} in it is the report, with the time of each op.
Times on an emulated device are this CPU's.

MODEL and TARGET are as for `opcheck check`.

Exit codes: 0 every step ran, 2 one could not, 3 wrong usage."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        NAME, help="run a model's step and log it for TensorBoard", description=_DESCRIPTION
    )
    checking.add_model(parser)
    checking.add_step(parser)
    parser.add_argument(
        "-o",
        "--output",
        dest="folder",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="a new one",
    )


def run(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    options = checking.load(arguments)
    options = msgspec.structs.replace(options, evidence="traced")
    with _made_whole(folder) as partial:
        from opcheck import pipeline
        from opcheck.formats import FORMATS
        from opcheck.formats.text import verdict_sentence

        with progress.shown() as stage:
            report = pipeline.check(
                arguments.model, options=options, progress=stage, log_folder=partial
            )
        write(FORMATS["json"](report, Style(100)), str(partial / REPORT))
    for result in report.results:
        show(verdict_sentence(result) + "\n")
        if result.trace.error:
            show(f"  The step stopped: {printable(result.trace.error)}\n")
    where = printable(shlex.quote(str(folder)))
    show(f"tensorboard --logdir {where}    # pip install 'opcheck[profile]'\n")
    return 0 if all(result.trace.executed for result in report.results) else 2


@contextmanager
def _made_whole(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` that takes its place at the end, and is gone after an error.

    Raises:
        UsageError: ``folder`` is there already, or cannot be made.
    """
    with ExitStack() as stack:
        with _writing(folder):
            if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
                raise UsageError(f"{folder} is there already.", hint="Name a new folder with -o.")
            parent = folder.resolve().parent
            partial = stack.enter_context(temporary_folder(f".{folder.name}.", parent))
            whole = partial / "log"
            whole.mkdir()
        yield whole
        with _writing(folder), uninterrupted():
            if folder.exists():
                folder.rmdir()
            whole.rename(folder)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}.") from error
