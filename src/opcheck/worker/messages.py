"""What an exception of TensorFlow or Keras says: in one line, and of which op."""

from __future__ import annotations

import re

_EXCEPTION = re.compile(r"[A-Z]\w*(Error|Exception|Interrupt): ")
# Where in Python the op was made, which comes before what went wrong.
_WHERE = re.compile(
    r"\d+ root error\(s\) found\.$|Detected at node |File \"|<stack traces unavailable>"
)
_ROOT = re.compile(r"^\(\d+\) [A-Z_]+:\s*")
_OUR_ATTRS = re.compile(r'(, )?_opcheck_\w+="[^"]*"(?(1)|(, )?)')  # see attribution.py
_CAUSE = "Exception encountered: "
_CALLING = "Exception encountered when calling"
_BOLD = re.compile(r"\x1b\[[0-9;]*m")  # as Keras 3 writes what went wrong
_FUNCTION = re.compile(r"\{\{function_node [^}]*\}\} ?")
# Where TensorFlow says which op it stopped at, in every version.
_OP = re.compile(r"\{\{node (?P<node>[^}]+)\}\}")
# What TensorFlow says when an op has no kernel for its device, cannot be on the device it must be
# on, or has no XLA compiler there: before the op runs.
_REFUSED = re.compile(
    r"No OpKernel was registered|Cannot assign a device for operation|"
    r"Could not find compiler for platform"
)
_LONGEST = 500  # characters of an error


def first_line(error: BaseException) -> str:
    """An exception as one line a person can read."""
    text = str(error).partition("Call arguments received by")[0]  # Keras' own appendix
    text = _BOLD.sub("", _FUNCTION.sub("", _OUR_ATTRS.sub("", text)))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:  # TensorFlow 2.15 tells first where in Python the op was made
        if found := _REFUSED.search(line):
            return f"{type(error).__name__}: {line[found.start() :]}"[:_LONGEST]
    # Keras 3 wraps what went wrong, layer by layer; the innermost is what it is about.
    causes = [line.partition(_CAUSE)[2] for line in lines if line.startswith(_CAUSE)]
    if causes:
        return f"{type(error).__name__}: {causes[-1]}"[:_LONGEST]
    if lines and lines[0] == "in user code:":  # AutoGraph: a traceback, then the message
        named = [at for at, line in enumerate(lines) if _EXCEPTION.match(line)]
        said = lines[named[-1] if named else -1 :]
        return " ".join(said[: 2 if _CALLING in said[0] else 1])[:_LONGEST]
    if len(lines) > 1 and lines[0].startswith(_CALLING):  # Keras
        lines = [" ".join(lines[:2])]
    if lines and lines[0] == "Graph execution error:":  # TensorFlow: where from, then the message
        nodes = [at for at, line in enumerate(lines) if line.startswith("Node: '")]
        said = [line for line in lines[max(nodes, default=0) + 1 :] if not _WHERE.match(line)]
        lines = [_ROOT.sub("", line) for line in said] or lines
    return f"{type(error).__name__}: {lines[0]}"[:_LONGEST] if lines else type(error).__name__


def failed_op(error: BaseException) -> str | None:
    """The name of the op that TensorFlow says it stopped at."""
    found = _OP.search(str(error))
    return found["node"] if found else None


def refused(error: BaseException) -> bool:
    """Whether the devices that are there are the cause: they do not have what an op needs."""
    return bool(_REFUSED.search(str(error)))
