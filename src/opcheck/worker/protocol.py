"""What the parent asks the TensorFlow process for, and the plain data it sends back."""

from __future__ import annotations

from typing import Literal

import msgspec

from opcheck.graph import AttrValue, LayerNode, OpSignature, Role, Shape
from opcheck.loading.types import Hazard, ModelSource

Step = Literal["inference", "training"]


class WorkerRequest(msgspec.Struct, frozen=True):
    """``trust`` lets Lambda code run; ``custom_objects`` are the user's own modules to import."""

    source: ModelSource
    steps: tuple[Step, ...]
    trust: bool = False
    custom_objects: tuple[str, ...] = ()
    batch_size: int = 2


class RawTensor(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    shape: Shape


class RawNode(msgspec.Struct, frozen=True, array_like=True):
    """A NodeDef. ``inputs`` are ``node:index`` or, for control inputs, ``^node``."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[RawTensor, ...]
    dtypes: tuple[tuple[str, str | tuple[str, ...]], ...]
    attrs: tuple[tuple[str, AttrValue], ...]
    functions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    layer: str | None = None
    role: Role | None = None
    device: str = ""


class RawFunction(msgspec.Struct, frozen=True):
    """A function body; ``arguments`` are node names, ``results`` are ``node:index``."""

    name: str
    nodes: tuple[RawNode, ...]
    arguments: tuple[str, ...]
    results: tuple[str, ...]


class RawGraph(msgspec.Struct, frozen=True):
    """A step's concrete function with the functions it calls."""

    main: RawFunction
    functions: tuple[RawFunction, ...]
    signatures: tuple[OpSignature, ...]
    notes: tuple[str, ...] = ()


class DeviceLogEntry(msgspec.Struct, frozen=True, array_like=True):
    """One line of the placer's log."""

    name: str
    op: str
    device: str


class TracedStep(msgspec.Struct, frozen=True):
    """One traced step. ``executed`` says whether it also ran; ``error`` is why it did not.

    ``loss`` and ``optimizer`` are class names; ``defaults`` names those of them that opcheck chose
    because the file stores none.
    """

    step: Step
    graph: RawGraph | None
    placements: tuple[DeviceLogEntry, ...] = ()
    executed: bool = False
    error: str | None = None
    loss: str | None = None
    optimizer: str | None = None
    defaults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class WorkerEnvironment(msgspec.Struct, frozen=True):
    """``keras_package`` is what built the model: ``keras``, ``tf_keras`` or ``tf.keras``.

    ``accelerators`` are the plugin devices present: ``("GPU", "METAL")`` pairs of device type and
    platform name.
    """

    python: str
    system: str
    machine: str
    tensorflow: str
    keras: str
    keras_package: str
    accelerators: tuple[tuple[str, str], ...] = ()


class WorkerReply(msgspec.Struct, frozen=True):
    environment: WorkerEnvironment
    layers: tuple[LayerNode, ...]
    steps: tuple[TracedStep, ...]
    hazards: tuple[Hazard, ...] = ()
    notes: tuple[str, ...] = ()


class WorkerFailure(msgspec.Struct, frozen=True):
    """A failure the worker understood: ``slug`` is that of an error in ``opcheck.errors``."""

    slug: str
    message: str
    hint: str | None = None
