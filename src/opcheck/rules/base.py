"""What every rule is made of."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from opcheck.placement.types import Reason
from opcheck.rules.types import WORST_FIRST, Finding, PlacedOp, Severity, Subject

Dtypes = tuple[tuple[str, str | tuple[str, ...]], ...]


class Rule(ABC):
    """A rule's docstring is its documentation; its first line is its title.

    Sections: What it does, Why it matters, What to do, Source. ``opcheck explain`` prints it and
    docs/rules/ is generated from it.
    """

    code: ClassVar[str]

    @abstractmethod
    def check(self, subject: Subject) -> Iterator[Finding]:
        """The findings on one step of a model on one target."""


@dataclass(frozen=True)
class Group:
    """Ops of one layer that have their type, their dtypes and the kind of reason in common."""

    layer: str | None
    op_type: str
    dtypes: Dtypes
    reason: Reason
    ops: tuple[PlacedOp, ...]

    @property
    def severity(self) -> Severity:
        found = {op.severity for op in self.ops}
        return next((s for s in WORST_FIRST if s in found), "note")

    @property
    def label(self) -> str:
        """The op type, and how often when more than once."""
        return self.op_type if len(self.ops) == 1 else f"{self.op_type} \u00d7{len(self.ops)}"


class OpRule(Rule):
    """A rule on single ops: what ``applies`` accepts is grouped, and each group is a finding."""

    @abstractmethod
    def applies(self, op: PlacedOp) -> bool:
        """Is this op the rule's business?"""

    @abstractmethod
    def message(self, group: Group, subject: Subject) -> str:
        """What is the matter, in one or two sentences."""

    def fix(self, group: Group, subject: Subject) -> str | None:  # noqa: ARG002
        """What to do about it, or ``None`` where nothing is known to help."""
        return None

    def check(self, subject: Subject) -> Iterator[Finding]:
        for group in groups(op for op in subject.ops if self.applies(op)):
            yield Finding(
                code=self.code,
                severity=group.severity,
                message=self.message(group, subject),
                layer=group.layer,
                ops=tuple(op.node.id for op in group.ops),
                reason=group.reason,
                fix=self.fix(group, subject),
                fingerprint=fingerprint(
                    self.code,
                    subject.target.plugin,
                    group.layer,
                    group.op_type,
                    repr(group.dtypes),
                    group.reason.code,
                ),
            )


def groups(ops: Iterator[PlacedOp]) -> list[Group]:
    """The ops grouped, in the order in which each group's first op appears.

    The reason's message may name a single op, so groups go by its code and quote the first message.
    """
    found: defaultdict[tuple[str | None, str, Dtypes, str], list[PlacedOp]] = defaultdict(list)
    for op in ops:
        node = op.node
        found[node.layer_path, node.op_type, node.dtypes, op.placement.reason.code].append(op)
    return [
        Group(layer, op_type, dtypes, members[0].placement.reason, tuple(members))
        for (layer, op_type, dtypes, _), members in found.items()
    ]


def sentence(reason: Reason) -> str:
    """The reason's message, with one full stop."""
    return reason.message.rstrip(".") + "."


def fingerprint(*parts: str | None) -> str:
    """A short stable name for what the parts say together."""
    return hashlib.sha256("\0".join(part or "" for part in parts).encode()).hexdigest()[:16]
