"""What every rule is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from opcheck import fixes
from opcheck.placement.types import Reason
from opcheck.rules.fingerprints import fingerprint
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
    """Ops that make one finding. ``key`` is what they have in common, and what identifies it.

    The reason's message may name a single op, so groups quote that of their first.
    """

    key: tuple[str | None, ...]
    ops: tuple[PlacedOp, ...]

    @property
    def layer(self) -> str | None:
        return self.ops[0].node.layer_path

    @property
    def op_type(self) -> str:
        return self.ops[0].node.op_type

    @property
    def dtypes(self) -> Dtypes:
        return self.ops[0].node.dtypes

    @property
    def reason(self) -> Reason:
        return self.ops[0].placement.reason

    @property
    def severity(self) -> Severity:
        found = {op.severity for op in self.ops}
        return next((s for s in WORST_FIRST if s in found), "note")

    @property
    def label(self) -> str:
        """The op type, and how often when more than once."""
        return self.op_type if len(self.ops) == 1 else f"{self.op_type} \u00d7{len(self.ops)}"


_AUGMENTATION = frozenset(
    {
        "RandomBrightness",
        "RandomContrast",
        "RandomCrop",
        "RandomFlip",
        "RandomHeight",
        "RandomRotation",
        "RandomTranslation",
        "RandomWidth",
        "RandomZoom",
    }
)
_AUGMENTATION_ADVICE = (
    "Augment in the input pipeline, dataset.map(layer): there it runs on the CPU while the "
    "accelerator trains."
)


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

    def key(self, op: PlacedOp) -> tuple[str | None, ...]:
        """Ops of the same key are one finding: by layer, op type, dtypes and kind of reason.

        The layer always comes first.
        """
        node = op.node
        return (node.layer_path, node.op_type, repr(node.dtypes), op.placement.reason.code)

    def check(self, subject: Subject) -> Iterator[Finding]:
        for group in self._groups(subject):
            yield Finding(
                code=self.code,
                severity=group.severity,
                message=self.message(group, subject),
                layer=group.layer,
                ops=tuple(op.node.id for op in group.ops),
                reason=group.reason,
                fix=self.fix(group, subject),
                fingerprint=fingerprint(
                    self.code, subject.target.plugin, subject.stable(group.layer), *group.key[1:]
                ),
            )

    def _groups(self, subject: Subject) -> list[Group]:
        """In the order in which each group's first op appears."""
        found: defaultdict[tuple[str | None, ...], list[PlacedOp]] = defaultdict(list)
        for op in subject.ops:
            if self.applies(op):
                found[self.key(op)].append(op)
        return [Group(key, tuple(members)) for key, members in found.items()]


def rewrite_advice(group: Group, subject: Subject) -> str | None:
    """What `opcheck.fixes` knows to do about an op of that layer on that target."""
    layer = next((each for each in subject.layers if each.path == group.layer), None)
    class_name = layer.class_name if layer else None
    known = fixes.advice(group.op_type, subject.target, class_name)
    return known or (_AUGMENTATION_ADVICE if class_name in _AUGMENTATION else None)


def sentence(reason: Reason) -> str:
    """The reason's message, with one full stop."""
    return reason.message.rstrip(".") + "."
