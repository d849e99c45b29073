"""The report: the versioned artifact that every format is rendered from.

The JSON keys are a public contract (schema-1.0.json, beside this file). Adding a key raises the
minor version of the schema, renaming or removing one the major version.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from opcheck.config import FailOn
from opcheck.cost.types import LayerFlow, OpCost, StepCost
from opcheck.graph import LayerNode, Role
from opcheck.loading.types import Hazard, ModelFormat
from opcheck.placement.types import Evidence, Reason, Verdict
from opcheck.rules.types import Finding, Severity
from opcheck.worker.protocol import Step

SCHEMA_VERSION = "1.0"


class Tool(msgspec.Struct, frozen=True):
    name: str
    version: str


class Model(msgspec.Struct, frozen=True):
    """The model file. ``sha256`` is empty for a model made by code."""

    path: str
    sha256: str
    format: ModelFormat
    keras_version: str | None
    backend: str | None
    name: str | None
    layers: tuple[LayerNode, ...]
    hazards: tuple[Hazard, ...]
    notes: tuple[str, ...] = ()


class Device(msgspec.Struct, frozen=True):
    """An accelerator of the machine: ``GPU`` on platform ``METAL``."""

    device_type: str
    platform: str


class VersionMismatch(msgspec.Struct, frozen=True):
    """The graph was traced with a ``package`` that ``target`` does not run beside."""

    target: str
    package: str
    traced: str
    supported: str
    message: str


class Environment(msgspec.Struct, frozen=True):
    """Where the graph was traced. ``keras_package`` built the model: keras, tf_keras, tf.keras.

    ``notes`` say what could not be done here: why a step ran on no emulated device, for one.
    """

    python: str
    system: str
    machine: str
    tensorflow: str
    keras: str
    keras_package: str
    accelerators: tuple[Device, ...]
    mismatch: tuple[VersionMismatch, ...]
    notes: tuple[str, ...] = ()


class Op(msgspec.Struct, frozen=True):
    """One op. ``severity`` is how bad its placement is, ``null`` when it is on the accelerator."""

    name: str
    op: str
    layer: str | None
    function: str | None
    role: Role
    dtypes: dict[str, str | tuple[str, ...]]
    verdict: Verdict
    evidence: Evidence
    reason: Reason
    severity: Severity | None
    cost: OpCost

    @property
    def leaves(self) -> bool:
        """It computes on the CPU."""
        return self.verdict in ("cpu", "host-pinned")

    @property
    def matters(self) -> bool:
        return self.severity in ("error", "warning")


class LayerSummary(msgspec.Struct, frozen=True):
    """Verdicts of a layer's own ops; ``path`` is ``null`` for ops that belong to no layer."""

    path: str | None
    ops: int
    accelerator: int
    host_pinned: int
    cpu: int
    fails: int
    unknown: int


class Summary(msgspec.Struct, frozen=True):
    """Counts of ops. ``leave`` is cpu and host-pinned; ``matter`` is how many of those matter.

    ``cost`` is ``null`` when there are no ops.
    """

    ops: int
    accelerator: int
    host_pinned: int
    cpu: int
    fails: int
    unknown: int
    leave: int
    matter: int
    cost: StepCost | None = None


class Trace(msgspec.Struct, frozen=True):
    """How the executed step compares with the graph. ``error`` is why it did not run.

    ``not_real`` names the ops that the emulated device cannot compute: they gave zeros.
    """

    executed: bool
    matched: int
    only_in_graph: tuple[str, ...]
    only_in_trace: tuple[str, ...]
    error: str | None
    not_real: tuple[str, ...] = ()


class OpDisagreement(msgspec.Struct, frozen=True):
    """Predicted, with its ``reason``, and traced differ on this op.

    ``evidence`` is ``emulated`` or ``observed`` where it was not predicted but traced on another
    machine (``opcheck merge``).
    """

    name: str
    op: str
    layer: str | None
    predicted: Verdict
    reason: Reason
    traced: Verdict
    evidence: Evidence = "predicted"


class Result(msgspec.Struct, frozen=True):
    """One step on one target.

    ``evidence`` is the strongest that any op of the step has (each op says its own), ``null`` when
    there are no ops. ``match_reason`` says why ``match`` is not ``exact``, empty when it is.
    ``incomplete`` says in words what could not be determined; empty when everything was. ``flows``
    is the graph of the layers: what flows from one to another. ``kernels`` names those that the
    step was placed against: two systems with the same ones have one name.
    """

    target: str
    description: str
    device_type: str
    match: str
    step: Step
    evidence: Evidence | None
    loss: str | None
    optimizer: str | None
    defaults: tuple[str, ...]
    ops: tuple[Op, ...]
    layers: tuple[LayerSummary, ...]
    summary: Summary
    findings: tuple[Finding, ...]
    disagreements: tuple[OpDisagreement, ...]
    trace: Trace
    incomplete: tuple[str, ...]
    notes: tuple[str, ...]
    match_reason: str = ""
    flows: tuple[LayerFlow, ...] = ()
    kernels: str = ""


class Failure(msgspec.Struct, frozen=True):
    """Why a report does not pass.

    ``kind`` is ``finding`` (then ``code`` and ``fingerprint`` name it), ``limit`` (a number is
    above what the policy allows) or ``incomplete``.
    """

    kind: Literal["finding", "limit", "incomplete"]
    target: str
    step: Step
    message: str
    code: str | None = None
    fingerprint: str | None = None


class GateVerdict(msgspec.Struct, frozen=True):
    """What ``gate.evaluate`` says.

    It passes only when there is a result and no failure of any kind. ``fail_on`` is the policy it
    was judged by, ``null`` when it was not judged yet. ``notes`` say what was let pass, and which
    ignores match nothing.
    """

    passed: bool
    failures: tuple[Failure, ...]
    fail_on: FailOn | None
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> Literal[0, 1, 2]:
        """0 passed, 1 the gate failed, 2 incomplete, which outranks 1: more may be wrong."""
        if self.passed:
            return 0
        known = self.failures and all(failure.kind != "incomplete" for failure in self.failures)
        return 1 if known else 2


class Machine(msgspec.Struct, frozen=True):
    """One of the machines whose reports were merged. ``results`` says what it gave, and how known:
    ``training on metal@1.2.0: observed``."""

    environment: Environment
    results: tuple[str, ...]


class Report(msgspec.Struct, frozen=True):
    """The whole. ``machines`` is empty unless the report was merged from several."""

    schema_version: str
    tool: Tool
    model: Model
    environment: Environment
    results: tuple[Result, ...]
    verdict: GateVerdict
    machines: tuple[Machine, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What it calls its targets, each once."""
        return tuple(dict.fromkeys(result.target for result in self.results))


class Inspection(msgspec.Struct, frozen=True):
    """What ``opcheck inspect`` reports: the model as data, nothing run."""

    schema_version: str
    tool: Tool
    model: Model
