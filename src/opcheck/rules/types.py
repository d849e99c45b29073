"""What a rule reads and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import msgspec

from opcheck.cost.types import NOT_COUNTED, LayerFlow, OpCost, StepCost
from opcheck.placement.types import Placement, Reason
from opcheck.rules.fingerprints import unnumbered

if TYPE_CHECKING:
    from opcheck.graph import LayerNode, OpNode
    from opcheck.loading.types import ModelSource
    from opcheck.targets import Target
    from opcheck.worker.protocol import Step, WorkerEnvironment

Severity = Literal["error", "warning", "note"]
WORST_FIRST: tuple[Severity, ...] = ("error", "warning", "note")


class Suppression(msgspec.Struct, frozen=True):
    """Why a finding does not count: an ``ignore`` of the policy, or the ``baseline`` knows it."""

    by: Literal["ignore", "baseline"]
    reason: str


class Finding(msgspec.Struct, frozen=True):
    """Something a user may want to act on.

    ``ops`` are op names; ``layer`` is a layer path, ``None`` when no layer is concerned.
    ``fingerprint`` identifies the finding across edits of the model: it is made of the code, the
    plugin, the layer, the op type, its dtypes and the reason's code, never of op names or counts.
    ``suppressed`` says why the gate passes over it, ``null`` when it does not.
    """

    code: str
    severity: Severity
    message: str
    layer: str | None
    ops: tuple[str, ...]
    reason: Reason | None
    fix: str | None
    fingerprint: str
    suppressed: Suppression | None = None


@dataclass(frozen=True)
class PlacedOp:
    """An op, where it runs on the target, how bad that is (``None``: not bad at all), its cost."""

    node: OpNode
    placement: Placement
    severity: Severity | None
    cost: OpCost = NOT_COUNTED


@dataclass(frozen=True)
class Subject:
    """What a rule looks at: one step of one model on one target.

    ``gaps`` says in words what of the step could not be analysed; empty when everything was.
    ``cost`` is the whole step's, ``None`` when there are no ops; ``flows`` are between its layers.
    ``optimizer`` is the class name of a training step's; ``jit_compile``: the model is compiled so.
    """

    source: ModelSource
    layers: tuple[LayerNode, ...]
    environment: WorkerEnvironment
    target: Target
    step: Step
    ops: tuple[PlacedOp, ...]
    gaps: tuple[str, ...] = ()
    cost: StepCost | None = None
    flows: tuple[LayerFlow, ...] = ()
    optimizer: str | None = None
    jit_compile: bool = False

    def stable(self, layer: str | None) -> str | None:
        """A layer's path as fingerprints have it: without the numbers that Keras gave."""
        return None if layer is None else self._unnumbered.get(layer, layer)

    @cached_property
    def _unnumbered(self) -> Mapping[str, str]:
        return unnumbered(self.layers)
