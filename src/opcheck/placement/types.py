"""Where each op of a step runs on a target, and how that is known."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["accelerator", "host-pinned", "cpu", "fails", "unknown"]
Evidence = Literal["predicted", "emulated", "observed"]


Types = tuple[tuple[str, tuple[str, ...]], ...]


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why, as a stable ``code`` and a sentence in terms a user can act on."""

    code: str
    message: str


class Placement(msgspec.Struct, frozen=True, gc=False):
    """The verdict on one op.

    ``host_memory`` names its arguments that the kernel on the accelerator keeps in host memory.
    ``instead`` lists, for an op whose types have no kernel there, each attribute that alone is at
    fault and the types with which the op would compute there.
    """

    op_id: str
    verdict: Verdict
    evidence: Evidence
    reason: Reason
    host_memory: tuple[str, ...] = ()
    instead: Types = ()
