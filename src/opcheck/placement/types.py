"""Where each op of a step runs on a target, and how that is known."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["accelerator", "host-pinned", "cpu", "fails", "unknown"]
Evidence = Literal["predicted", "emulated", "observed"]


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why, as a stable ``code`` and a sentence in terms a user can act on."""

    code: str
    message: str


class Placement(msgspec.Struct, frozen=True, gc=False):
    """The verdict on one op. ``host_memory`` names its arguments that the kernel on the accelerator
    keeps in host memory."""

    op_id: str
    verdict: Verdict
    evidence: Evidence
    reason: Reason
    host_memory: tuple[str, ...] = ()
