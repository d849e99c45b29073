"""A concrete function -> RawGraph: NodeDefs, function bodies and op signatures as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

from opcheck.graph import ArgDef, AttrValue, OpSignature, Role
from opcheck.graph.raw import RawFunction, RawGraph, RawNode, RawTensor
from opcheck.worker.attribution import LAYER_ATTR, ROLE_ATTR
from opcheck.worker.inputs import filled
from opcheck.worker.static import Static, static

_OUR_ATTRS = frozenset({LAYER_ATTR, ROLE_ATTR})
# function_api_info.cc: a backward function names its forward one, and the other way round.
_API_PARTS = {"forward_function_name": "backward", "backward_function_name": "forward"}
_API_ATTRS = ("api_implements", "api_preferred_device")
_MAX_LIST = 64  # longer attribute lists say nothing about placement


def raw_graph(
    concrete: Any, batch_size: int | None = None, *, moved: Mapping[str, str] = MappingProxyType({})
) -> RawGraph:
    """The function's own graph and every function it can reach.

    With a ``batch_size``, shapes are those of arguments of that size, and loops are counted.
    ``moved`` renames devices: what was asked for by the full name that a variable has here.
    """
    notes: list[str] = []
    graph = concrete.graph
    definition = graph.as_graph_def()
    library = {f.signature.name: f for f in definition.library.function}
    known = Static() if batch_size is None else _static(graph, definition, library, batch_size)
    read = partial(_node, moved=moved, known=known)
    control = [op.name for op in getattr(graph, "control_outputs", ())]
    main = RawFunction(
        name=graph.name,
        nodes=tuple(read(op, graph.name) for op in graph.get_operations()),
        arguments=tuple(tensor.op.name for tensor in graph.inputs),
        results=tuple(_reference(tensor) for tensor in graph.outputs),
        control_results=tuple(control),
    )
    functions = []
    for name in sorted(_reachable(main, library)):
        try:
            functions.append(_function(library[name], graph, read))
        except Exception as error:  # a body TensorFlow itself cannot re-import
            notes.append(f"function {name} could not be read: {type(error).__name__}: {error}")
    op_types = {node.op for f in (main, *functions) for node in f.nodes}
    signatures = tuple(s for op in sorted(op_types) if (s := _signature(op)) is not None)
    return RawGraph(main, tuple(functions), signatures, tuple(notes))


def _static(graph: Any, definition: Any, library: Mapping[str, Any], batch_size: int) -> Static:
    """Shapes and trip counts; none where TensorFlow cannot import its own graph again."""
    shapes = [
        tensor.shape if tensor.shape.rank is None else filled(tensor.shape, batch_size)
        for tensor in graph.inputs
    ]
    parts: dict[tuple[bytes, str], list[str]] = {}
    for name, function in library.items():
        if "api_implements" in function.attr:
            parts.setdefault((function.attr["api_implements"].s, _part(function)), []).append(name)
    others = {name: [n for n in names if n != name] for names in parts.values() for name in names}
    try:
        return static(graph, definition.node, library, others, shapes)
    except (ValueError, TypeError, KeyError, tf.errors.OpError):
        return Static()  # then costs say which shape is unknown


def _part(function: Any) -> str:
    return next((part for key, part in _API_PARTS.items() if key in function.attr), "inference")


def _reachable(main: RawFunction, library: dict[str, Any]) -> set[str]:
    """Names of the functions called from ``main``, and the implementations that may replace them.

    Grappler's implementation selector swaps functions that share ``api_implements`` by device
    (Keras 2's LSTM and GRU), so all alternatives of a reachable one are reachable.
    """
    alternatives: dict[bytes, set[str]] = {}
    for name, function in library.items():
        api = function.attr["api_implements"].s if "api_implements" in function.attr else b""
        if api:
            alternatives.setdefault(api, set()).add(name)
    seen: set[str] = set()
    todo = [name for node in main.nodes for _, names in node.functions for name in names]
    while todo:
        name = todo.pop()
        if name in seen or name not in library:
            continue
        seen.add(name)
        function = library[name]
        if "api_implements" in function.attr:
            todo.extend(alternatives[function.attr["api_implements"].s])
        for node in function.node_def:
            for value in node.attr.values():
                if value.HasField("func"):
                    todo.append(value.func.name)
                todo.extend(f.name for f in value.list.func)
    return seen


def _function(function: Any, parent: Any, read: Callable[[Any, str], RawNode]) -> RawFunction:
    """A FunctionDef as a graph. Nested bodies resolve through the enclosing graph's library."""
    with parent.as_default():
        body = function_def_to_graph(function)
    attrs = {key: function.attr[key].s.decode() for key in _API_ATTRS if key in function.attr}
    return RawFunction(
        name=function.signature.name,
        nodes=tuple(read(op, function.signature.name) for op in body.get_operations()),
        arguments=tuple(tensor.op.name for tensor in body.inputs),
        results=tuple(_reference(tensor) for tensor in body.outputs),
        control_results=tuple(
            function.control_ret[name] for name in function.signature.control_output
        ),
        api_implements=attrs.get("api_implements", ""),
        api_preferred_device=attrs.get("api_preferred_device", ""),
        api_part=_part(function),
    )


def _node(op: Any, function: str, moved: Mapping[str, str], known: Static) -> RawNode:
    node = op.node_def
    dtypes: list[tuple[str, str | tuple[str, ...]]] = []
    attrs: list[tuple[str, AttrValue]] = []
    functions: list[tuple[str, tuple[str, ...]]] = []
    layer, role = None, None
    for key in sorted(node.attr):
        value = node.attr[key]
        kind = value.WhichOneof("value")
        if key == LAYER_ATTR:
            layer = value.s.decode()
        elif key == ROLE_ATTR:
            role = _role(value.s.decode())
        elif kind == "type":
            dtypes.append((key, _dtype(value.type)))
        elif kind == "list" and value.list.type:
            dtypes.append((key, tuple(map(_dtype, value.list.type))))
        elif kind == "func":
            functions.append((key, (value.func.name,)))
        elif kind == "list" and value.list.func:
            functions.append((key, tuple(f.name for f in value.list.func)))
        elif (plain := _plain(kind, value)) is not None:
            attrs.append((key, plain))
    return RawNode(
        name=op.name,
        op=op.type,
        inputs=(*map(_reference, op.inputs), *(f"^{c.name}" for c in op.control_inputs)),
        outputs=tuple(
            RawTensor(tensor.dtype.name, shape)
            for tensor, shape in zip(op.outputs, known.outputs(function, op), strict=True)
        ),
        dtypes=tuple(dtypes),
        attrs=tuple(attrs),
        functions=tuple(functions),
        layer=layer,
        role=role,
        device=moved.get(op.device, op.device),
        trips=known.trips.get(function, {}).get(op.name),
    )


def _role(text: str) -> Role | None:
    roles: tuple[Role, ...] = ("forward", "loss", "backward", "optimizer", "metrics")
    return next((role for role in roles if role == text), None)


def _reference(tensor: Any) -> str:
    return f"{tensor.op.name}:{tensor.value_index}"


def _dtype(number: int) -> str:
    return str(tf.dtypes.as_dtype(number).name)


def _plain(kind: str | None, value: Any) -> AttrValue:
    """Attributes that may decide a placement or a limit; tensors and the like are left out."""
    if kind == "s":
        return _text(value.s)
    if kind in ("i", "f", "b"):
        return getattr(value, kind)  # type: ignore[no-any-return]
    if kind == "shape" and not value.shape.unknown_rank:
        return tuple(d.size if d.size >= 0 else None for d in value.shape.dim)
    if kind == "list":
        items: Iterable[Any]
        for field in ("i", "f", "b"):
            if items := getattr(value.list, field):
                return tuple(items)[:_MAX_LIST]
        return tuple(map(_text, value.list.s))[:_MAX_LIST] if value.list.s else ()
    return None


def _text(data: bytes) -> str:
    return data[:256].decode("utf-8", "replace")


def _signature(op: str) -> OpSignature | None:
    definition = op_def_registry.get(op)
    if definition is None:
        return None
    return OpSignature(
        op,
        tuple(map(_argument, definition.input_arg)),
        tuple(map(_argument, definition.output_arg)),
        definition.is_stateful,
    )


def _argument(arg: Any) -> ArgDef:
    return ArgDef(
        name=arg.name,
        dtype=_dtype(arg.type) if arg.type else "",
        type_attr=arg.type_attr,
        number_attr=arg.number_attr,
        type_list_attr=arg.type_list_attr,
        is_ref=arg.is_ref,
    )
