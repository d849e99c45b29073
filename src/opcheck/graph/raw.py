"""A traced step as TensorFlow has it: function bodies not yet inlined. Plain data."""

from __future__ import annotations

import msgspec

from opcheck.graph.signature import OpSignature
from opcheck.graph.types import AttrValue, Role, Shape


class RawTensor(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    shape: Shape


class RawNode(msgspec.Struct, frozen=True, array_like=True):
    """A NodeDef. ``inputs`` are ``node:index`` or, for control inputs, ``^node``.

    ``outputs`` have the shapes of one batch size. ``trips`` is how often the body of a While op
    runs, ``None`` when that is unknown.
    """

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
    trips: int | None = None


class RawFunction(msgspec.Struct, frozen=True):
    """A function body; ``arguments`` are node names, ``results`` are ``node:index``.

    ``control_results`` are the nodes that must run whatever is fetched. Functions that share
    ``api_implements`` and ``api_part`` (inference, forward or backward) replace one another by
    device (Grappler's implementation selector).
    """

    name: str
    nodes: tuple[RawNode, ...]
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    control_results: tuple[str, ...] = ()
    api_implements: str = ""
    api_preferred_device: str = ""
    api_part: str = "inference"


class RawGraph(msgspec.Struct, frozen=True):
    """A step's concrete function with the functions it calls."""

    main: RawFunction
    functions: tuple[RawFunction, ...]
    signatures: tuple[OpSignature, ...]
    notes: tuple[str, ...] = ()
