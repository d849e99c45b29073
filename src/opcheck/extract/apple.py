"""The checks by which a plugin finds out what its Mac can do.

From 0.7.0 on tensorflow-metal asks ``[MPSGraph instancesRespondToSelector: ...]`` and registers
some kernels only when the answer is yes. `Gates` answers, remembers what was asked, and can be
told to say no to a chosen question.
"""

from __future__ import annotations

from opcheck.errors import ExtractError
from opcheck.extract.machine import Handler, Machine

_SELECTORS = {
    # MPSGraph's GRU came with macOS 13: Apple's documentation of
    # -[MPSGraph GRUWithSourceTensor:recurrentWeight:inputWeight:bias:initState:descriptor:name:].
    "GRUWithSourceTensor:recurrentWeight:inputWeight:bias:initState:descriptor:name:": 13,
}
_QUESTIONS = ("instancesRespondToSelector:", "respondsToSelector:")


def requirement(gate: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """What the system must be for the gate to be open, and to be closed."""
    if gate not in _SELECTORS:
        raise ExtractError(
            f"The plugin registers kernels only where Metal has '{gate}'.",
            hint="Record the macOS version that brought it in opcheck/extract/apple.py.",
        )
    version = _SELECTORS[gate]
    return ("macos", f">={version}"), ("macos", f"<{version}")


class Gates:
    """Every check succeeds, except those in ``closed``."""

    def __init__(self, closed: frozenset[str] = frozenset()) -> None:
        self._closed = closed
        self.asked: list[str] = []

    def handlers(self) -> dict[str, Handler]:
        return {"NSClassFromString": self._class, "objc_msgSend": self._send}

    def _class(self, m: Machine) -> int:
        return m.alloc(64)

    def _send(self, m: Machine) -> int:
        if not m.arg(0) or m.text(m.arg(1)) not in _QUESTIONS:
            return 0
        selector = m.text(m.arg(2))
        if selector not in self.asked:
            self.asked.append(selector)
        return int(selector not in self._closed)
