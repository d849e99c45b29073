"""What the parent asks the TensorFlow process for, and the plain data it sends back."""

from __future__ import annotations

from typing import Literal

import msgspec

from opcheck.errors import UsageError
from opcheck.graph import LayerNode
from opcheck.graph.raw import RawGraph
from opcheck.loading.types import Hazard, ModelSource

Step = Literal["inference", "training"]


class CaptureRequest(msgspec.Struct, frozen=True, tag="capture"):
    """For the registry of the TensorFlow here; the answer is a `targets.recorded.Recorded`."""


class AssumedShape(msgspec.Struct, frozen=True):
    """What the user says of an output of a layer that a stand-in replaces: its whole shape, with
    ``None`` for an open size, and its dtype."""

    layer: str
    shape: tuple[int | None, ...]
    dtype: str | None = None

    @classmethod
    def parse(cls, text: str) -> AssumedShape:
        """``encoder/mix=?,16,64:float32``; the dtype may be left out.

        Raises:
            UsageError: it is written in another way.
        """
        name, sizes, dtype = _parted(text)
        if not (name and sizes and all(size == "?" or _is_size(size) for size in sizes)):
            raise UsageError(
                f"--assume-shape {text}: not LAYER=SHAPE[:DTYPE].",
                hint="Such as encoder/mix=?,16,64:float32, the batch first.",
            )
        return cls(name, tuple(None if size == "?" else int(size) for size in sizes), dtype)


class InputSpec(msgspec.Struct, frozen=True):
    """What the user says of an input: its whole shape, and a dtype other than the model's."""

    name: str
    shape: tuple[int, ...]
    dtype: str | None = None

    @classmethod
    def parse(cls, text: str) -> InputSpec:
        """``image=2,224,224,3:float32``; the dtype may be left out.

        Raises:
            UsageError: it is written in another way.
        """
        name, sizes, dtype = _parted(text)
        if not (name and all(map(_is_size, sizes))):
            raise UsageError(
                f"--input {text}: not NAME=SHAPE[:DTYPE].",
                hint="Such as image=2,224,224,3:float32.",
            )
        return cls(name, tuple(map(int, sizes)), dtype)


def _parted(text: str) -> tuple[str, list[str], str | None]:
    """``name=1,2:dtype`` in its parts; no name where there is no ``=``."""
    name, _, rest = text.rpartition("=")
    sizes, _, dtype = rest.partition(":")
    words = [word.strip() for word in sizes.split(",") if word.strip()]
    return name.strip(), words, dtype.strip() or None


def _is_size(word: str) -> bool:
    return word.isascii() and word.isdigit() and 0 < int(word) < 2**31


class WorkerRequest(msgspec.Struct, frozen=True, tag="check"):
    """``trust`` lets Lambda code run; ``custom_objects`` are the user's own modules to import.

    ``log_folder`` is to get a TensorBoard log of each step. ``inputs`` and ``input_file`` (.npz)
    are what the user says of the model's inputs.
    ``emulate`` names a target whose accelerator this process is to have (see `opcheck.emulator`).
    ``search_path`` is where the user's own modules are looked for, besides the usual places.
    ``shapes`` are what the user says of layers that are not rebuilt; several of one layer are its
    outputs in order. ``signature`` is the one of a SavedModel that is asked for, by its name.
    ``memory`` is what the process may use, in GiB; ``None``: what the machine suggests.
    """

    source: ModelSource
    steps: tuple[Step, ...]
    trust: bool = False
    custom_objects: tuple[str, ...] = ()
    batch_size: int = 2
    inputs: tuple[InputSpec, ...] = ()
    input_file: str | None = None
    log_folder: str | None = None
    emulate: str | None = None
    search_path: tuple[str, ...] = ()
    shapes: tuple[AssumedShape, ...] = ()
    signature: str | None = None
    memory: float | None = None


class FixRequest(msgspec.Struct, frozen=True, tag="fix"):
    """Rewrite layers of the model of ``check`` for the target named ``target``; save it as
    ``output``, whose ending says how. ``trouble``: the paths of layers, with the type of an op
    there that is not on the accelerator."""

    check: WorkerRequest
    target: str
    trouble: tuple[tuple[str, str], ...]
    output: str


class RewrittenLayer(msgspec.Struct, frozen=True):
    """``rewrite`` names one of `opcheck.fixes.REWRITES`, or several joined by ``+``; of the model
    itself, whose path is empty, ``float32`` or ``jit-compile-off``."""

    path: str
    class_name: str
    rewrite: str


class LeftLayer(msgspec.Struct, frozen=True):
    """A layer that a rewrite would help and that is as it was; ``why``, and what to do by hand."""

    path: str
    class_name: str
    why: str
    advice: str


class FixReply(msgspec.Struct, frozen=True):
    """What was changed, and how far the outputs are apart on random input: the largest difference,
    and the largest relative to the largest number of its output."""

    changed: tuple[RewrittenLayer, ...]
    left: tuple[LeftLayer, ...]
    absolute: float
    relative: float
    notes: tuple[str, ...] = ()


class DeviceLogEntry(msgspec.Struct, frozen=True, array_like=True):
    """One line of the placer's log."""

    name: str
    op: str
    device: str


class NamedOp(msgspec.Struct, frozen=True, array_like=True):
    """An op by its name in the placer's log, and its type."""

    name: str
    op: str


class OpTime(msgspec.Struct, frozen=True, array_like=True):
    """How long the op of that name, in the executor's words, computed in one step, in nanoseconds.

    Not by type: what oneDNN puts in its place has another, and the same name.
    """

    name: str
    nanoseconds: int


class TracedStep(msgspec.Struct, frozen=True):
    """One traced step. ``executed`` says whether it also ran; ``error`` is why it did not.

    ``graph`` is the graph as Keras builds it where there is an accelerator; ``executed_graph`` is
    the one that ran here, ``None`` when they are the same; ``batch_size`` is that of both.
    ``placements`` is the placer's log of it, as far as it came. ``error_op`` is the op that
    TensorFlow stopped at; ``refused``: it found that the devices here lack what an op needs, before
    it ran; ``fails_on_cpu``: the step fails without an accelerator as well. ``zeros`` are the ops
    that the emulated device cannot compute: it gave zeros, and nothing after them is a real number.
    ``times`` are of a further run, where a profile was asked for.
    ``loss`` and ``optimizer`` are class names; ``defaults`` names those of them that opcheck chose
    because the file stores none. ``jit_compile``: the model is compiled so, and the step was
    traced without XLA all the same.
    """

    step: Step
    graph: RawGraph | None
    executed_graph: RawGraph | None = None
    batch_size: int = 1
    placements: tuple[DeviceLogEntry, ...] = ()
    executed: bool = False
    error: str | None = None
    error_op: str | None = None
    refused: bool = False
    fails_on_cpu: bool = False
    zeros: tuple[NamedOp, ...] = ()
    times: tuple[OpTime, ...] = ()
    loss: str | None = None
    optimizer: str | None = None
    defaults: tuple[str, ...] = ()
    jit_compile: bool = False
    notes: tuple[str, ...] = ()


class WorkerEnvironment(msgspec.Struct, frozen=True):
    """``keras_package`` is what built the model: ``keras``, ``tf_keras`` or ``tf.keras``.

    ``accelerators`` are the plugin devices present: ``("GPU", "METAL")`` pairs of device type and
    platform name. ``emulated`` is the target that the accelerator here stands for, ``None`` when it
    is a real one.
    """

    python: str
    system: str
    machine: str
    tensorflow: str
    keras: str
    keras_package: str
    accelerators: tuple[tuple[str, str], ...] = ()
    emulated: str | None = None


class WorkerReply(msgspec.Struct, frozen=True):
    """``layers`` are the live model's; ``replaced`` is what was not rebuilt from the file."""

    environment: WorkerEnvironment
    layers: tuple[LayerNode, ...]
    steps: tuple[TracedStep, ...]
    replaced: tuple[Hazard, ...] = ()
    notes: tuple[str, ...] = ()


class WorkerFailure(msgspec.Struct, frozen=True):
    """A failure the worker understood: ``slug`` is that of an error in ``opcheck.errors``."""

    slug: str
    message: str
    hint: str | None = None
