"""What the worker left in its folder, read as from a stranger: bounded, and of a known type.

A file of the folder may be anything by then (a link, a fifo, without end), and so may its content.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from opcheck import errors
from opcheck.errors import OpcheckError, WorkerError
from opcheck.graph.raw import RawFunction
from opcheck.targets.recorded import Recorded
from opcheck.worker.protocol import FixReply, WorkerFailure, WorkerReply

_MOST_BYTES = 256 * 2**20  # of an answer; 20,000 ops take about 10 MB
_MOST_PROGRESS = 2**16
_MOST_STAGES = 100
_MOST_LAYERS = 100_000
_MOST_OPS = 1_000_000
_MOST_FUNCTIONS = 100_000
_TAIL = 2000  # bytes of log searched for a last word
_LONGEST = 2000  # characters of a message
_OUT_OF_MEMORY = ("bad_alloc", "Cannot allocate memory", "MemoryError")

Reply = TypeVar("Reply", WorkerReply, Recorded, FixReply)


def answer(folder: Path, code: int, reply_type: type[Reply]) -> Reply:
    """The reply of a worker that ended with ``code``.

    Raises:
        WorkerError: there is none, or it is no reply.
        OpcheckError: what the worker itself reported.
    """
    try:
        failure = _content(folder / "failure.json", _MOST_BYTES)
        if failure is not None:
            raise _reported(msgspec.json.decode(failure, type=WorkerFailure))
        reply = _content(folder / "reply.json", _MOST_BYTES)
        if reply is not None:
            decoded = msgspec.json.decode(reply, type=reply_type)
            _check_size(decoded)
            _check_words(decoded)
            return decoded
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WorkerError(f"The TensorFlow process sent an unreadable answer: {error}.") from error
    raise WorkerError(_obituary(folder, code), hint="opcheck doctor shows what is installed.")


def stages(folder: Path) -> list[str]:
    """What the worker says that it has been doing, in order."""
    with contextlib.suppress(WorkerError):
        text = _content(folder / "progress", _MOST_PROGRESS) or b""
        return text.decode("utf-8", "replace").splitlines()[:_MOST_STAGES]
    return []


def _content(path: Path, limit: int) -> bytes | None:
    """None when there is no such file. Raises WorkerError when it is no file, or too large."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except FileNotFoundError:
        return None
    except OSError:
        regular = False
    if not regular:
        raise WorkerError(f"The TensorFlow process left a {path.name} that is no file.")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise WorkerError(f"The TensorFlow process left a {path.name} of more than {limit} bytes.")
    return content


def _check_size(reply: WorkerReply | Recorded | FixReply) -> None:
    if not isinstance(reply, WorkerReply):
        return
    functions = list(_functions(reply))
    counts = {
        "layers": (len(reply.layers), _MOST_LAYERS),
        "functions": (len(functions), _MOST_FUNCTIONS),
        "ops": (sum(len(function.nodes) for function in functions), _MOST_OPS),
    }
    for what, (count, most) in counts.items():
        if count > most:
            raise WorkerError(
                f"The traced model has {count} {what}; opcheck reads up to {most}.",
                hint="Check a part of the model.",
            )


def _check_words(reply: WorkerReply | Recorded | FixReply) -> None:
    """What formats print as it is, for it is no name from the file."""
    if isinstance(reply, WorkerReply):
        here = msgspec.structs.astuple(reply.environment)
        if not all(value.isprintable() for value in here if isinstance(value, str)):
            raise WorkerError("The TensorFlow process sent an answer that is none of TensorFlow's.")


def _functions(reply: WorkerReply) -> Iterator[RawFunction]:
    for step in reply.steps:
        for graph in (step.graph, step.executed_graph):
            if graph is not None:
                yield graph.main
                yield from graph.functions


def _reported(failure: WorkerFailure) -> OpcheckError:
    kinds = {
        kind.slug: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, OpcheckError)
    }
    hint = failure.hint[:_LONGEST] if failure.hint else None
    return kinds.get(failure.slug, WorkerError)(failure.message[:_LONGEST], hint=hint)


def _obituary(folder: Path, code: int) -> str:
    last = _last_words(folder / "log")
    if any(sign in last for sign in _OUT_OF_MEMORY):
        return f"The TensorFlow process used up the memory that --memory gives it{last}."
    if code < 0:
        name = _signal_name(-code)
        if name == "SIGKILL":
            return "The TensorFlow process was killed (SIGKILL), most likely for lack of memory."
        if name == "SIGXCPU":
            return "The TensorFlow process used up its processor time; see --timeout."
        return f"TensorFlow crashed with {name}{last}."
    return f"The TensorFlow process ended with status {code} and no answer{last}."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _last_words(log: Path) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        lines = file.read(_TAIL).decode("utf-8", "replace").split("\n")
    words = [line.strip() for line in lines if line.strip()]
    return f"; its last line: {words[-1][:300]!r}" if words else ""
