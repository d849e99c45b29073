"""The types every later stage speaks. Frozen, built of tuples, free of any framework.

Dtype names are TensorFlow's ``DType.name`` (``float32``, ``bfloat16``, ``resource``, ...); a
reference dtype carries ``_ref`` (``float32_ref``). An unknown dimension is ``None``; an unknown
rank is ``shape=None``.

``gc=False``: made in the tens of thousands and never part of a cycle, so that Python's collector
need not look at them; it took a third of the time of large graphs.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Scalar: TypeAlias = bool | int | float | str | None
Shape: TypeAlias = tuple[int | None, ...] | None
AttrValue: TypeAlias = Scalar | tuple[Scalar, ...]
LayerKind = Literal["builtin", "experimental", "custom", "lambda", "wrapper"]
Role = Literal["forward", "loss", "backward", "optimizer", "metrics"]


class TensorSpec(msgspec.Struct, frozen=True, gc=False):
    """One tensor: ``name`` is the op argument it fills (``x``, ``filter``; ``values[2]`` in a
    list)."""

    name: str
    dtype: str
    shape: Shape


class LayerNode(msgspec.Struct, frozen=True, gc=False):
    """A Keras layer; ``path`` joins layer names with ``/`` below the root model (not included)."""

    path: str
    class_name: str
    module: str | None
    kind: LayerKind
    parent: str | None = None


class OpNode(msgspec.Struct, frozen=True, gc=False):
    """One op of the executed graph, functions inlined.

    ``id`` is the node's name as TensorFlow's placer sees it once functions are inlined and control
    flow is lowered (``lstm/while/body/lstm_cell/MatMul``); ``function`` is the function body the
    node was written in, ``None`` for the step's own. ``placed_as`` is the name in the placer's log
    where it differs (bodies that are not inlined are placed on their own). An op that is not
    ``live`` is placed but pruned before anything runs. ``loops`` are the ids of the While ops it
    runs in, the outermost first. ``dtypes`` holds the type attributes, ``attrs`` the others.
    """

    id: str
    op_type: str
    layer_path: str | None
    role: Role
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    dtypes: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    attrs: tuple[tuple[str, AttrValue], ...] = ()
    function: str | None = None
    device: str = ""
    placed_as: str = ""
    live: bool = True
    loops: tuple[str, ...] = ()


ARGUMENT = "_Arg:"
"""An edge from one of the step's own arguments starts at ``ARGUMENT`` + its name."""

ARGUMENTS_ON_HOST = frozenset({"int32", "string"})
"""The step's arguments of these dtypes are in host memory (eager/placement_utils.cc)."""


class Edge(msgspec.Struct, frozen=True, gc=False):
    """Data flows from output ``src_output`` of op ``src`` to input ``dst_input`` of op ``dst``.

    A control edge has both indices ``-1``. One that goes ``back`` brings what a loop's body left
    to its next round.
    """

    src: str
    src_output: int
    dst: str
    dst_input: int
    back: bool = False
