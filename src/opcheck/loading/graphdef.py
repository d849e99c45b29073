"""TensorFlow graphs (GraphDef): the ops in them, with their function library.

Field numbers are those of tensorflow/core/framework/{graph,node_def,attr_value,function,op_def}
.proto, TensorFlow 2.15.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from opcheck.errors import UnreadableModelError
from opcheck.loading.protobuf import WireError, fields, message, messages, text, varint
from opcheck.loading.stored import StoredModel
from opcheck.loading.tensorflow_names import is_file_op, names_elsewhere, saver_kind
from opcheck.loading.types import Hazard

_GRAPH_NODE, _GRAPH_LIBRARY = 1, 2
_LIBRARY_FUNCTION, _LIBRARY_GRADIENT = 1, 3  # 3: those that TensorFlow registers by name
_GRADIENT_FUNCTION = 1
_FUNCTION_SIGNATURE, _FUNCTION_NODE, _FUNCTION_ATTR = 1, 3, 5
_SIGNATURE_NAME = 1
_NODE_NAME, _NODE_OP, _NODE_INPUT, _NODE_ATTR = 1, 2, 3, 5
_ENTRY_KEY, _ENTRY_VALUE = 1, 2  # of any map entry
_ATTR_LIST, _ATTR_TEXT, _ATTR_FUNC = 1, 2, 10
_LIST_FUNC = 9
_FUNC_NAME = 1

# TensorFlow may call one function for another of which this attribute says the same.
_INTERCHANGEABLE = "api_implements"
_MAX_NODES = 1_000_000  # of the graph and its functions, and each function counts as one


class Node(NamedTuple):
    name: str
    op: str
    inputs: tuple[str, ...]  # node names; outputs and the ^ of control inputs are cut off
    calls: tuple[str, ...]  # functions named in its attributes, and its op, which may be one
    elsewhere: bool = False  # an attribute names a file: tf.print into one, for example


class Graph(NamedTuple):
    nodes: list[Node]
    functions: dict[str, list[Node]]
    indirect: tuple[str, ...]  # functions that run without being named by a node


def read_graph(data: memoryview) -> Graph:
    """The nodes of a GraphDef and of its functions. Raises WireError."""
    nodes = _nodes(data, _GRAPH_NODE, _MAX_NODES)
    left = _MAX_NODES - len(nodes)
    functions: dict[str, list[Node]] = {}
    library = message(data, _GRAPH_LIBRARY)
    gradients = messages(library, _LIBRARY_GRADIENT)
    indirect = [text(gradient, _GRADIENT_FUNCTION) for gradient in gradients]
    for function in messages(library, _LIBRARY_FUNCTION):
        name = text(message(function, _FUNCTION_SIGNATURE), _SIGNATURE_NAME)
        body = _nodes(function, _FUNCTION_NODE, left - 1)
        left -= 1 + len(body)
        functions.setdefault(name, []).extend(body)
        if any(text(a, _ENTRY_KEY) == _INTERCHANGEABLE for a in messages(function, _FUNCTION_ATTR)):
            indirect.append(name)
    return Graph(nodes, functions, tuple(indirect))


def looks_like_graph(head: bytes) -> bool:
    """Whether a file begins with a node: a message with a name first, and an op if it fits."""
    try:
        size, start = varint(memoryview(head), 1)
        node = fields(memoryview(head)[start : start + size])
        name = next(node)
        following = next(node, None)
        return (
            name.number == _NODE_NAME
            and bool(name.text)
            and (following is None or following.number in (_NODE_OP, _NODE_INPUT, _NODE_ATTR))
        )
    except (WireError, StopIteration):
        return False


def read_frozen_graph(data: memoryview, path: str) -> StoredModel:
    """Read a frozen GraphDef. Raises UnreadableModelError when it is damaged or empty."""
    try:
        graph = read_graph(data)
    except WireError as error:
        raise UnreadableModelError(
            f"{path} begins like a TensorFlow graph but is damaged or cut short ({error}).",
            hint="Copy or download it again.",
        ) from None
    if not graph.nodes:
        raise UnreadableModelError(f"{path} is a TensorFlow graph without any op.")
    note = "A frozen graph holds ops, not Keras layers."
    return StoredModel(hazards=file_op_hazards(graph), notes=(note,))


def file_op_hazards(
    graph: Graph,
    *,
    running: Iterable[str] = (),
    functions: Iterable[str] = (),
    saving: Iterable[str] = (),
    restoring: Iterable[str] = (),
) -> tuple[Hazard, ...]:
    """Ops that touch files or run Python, one hazard for each op type.

    ``saving`` and ``restoring`` name the nodes that do so with checkpoints. Their ops are no
    hazard, unless something else depends on them: ``running`` names nodes that the model returns
    or that run when it is loaded, ``functions`` what can be called by name.
    """
    run = _reachable(graph, running, [*functions, *graph.indirect])
    restored = _reachable(graph, restoring)
    saved = _reachable(graph, saving)
    exempt = {"save": saved - restored - run, "restore": (saved | restored) - run}
    found: dict[str, str] = {}
    for where, nodes in (("", graph.nodes), *graph.functions.items()):
        for node in nodes:
            key = ("function", where) if where else ("node", node.name)
            if not (is_file_op(node.op) or node.elsewhere):
                continue
            if key not in exempt.get(saver_kind(node.op) or "", ()):
                found.setdefault(node.op, f"{where}/{node.name}" if where else node.name)
    return tuple(
        Hazard("file-op", None, f"The graph contains the op {op} ({where}).")
        for op, where in sorted(found.items())
    )


def _reachable(
    graph: Graph, start: Iterable[str], functions: Iterable[str] = ()
) -> set[tuple[str, str]]:
    """The nodes that ``start`` depends on, and the functions that they and ``functions`` call."""
    by_name = {node.name: node for node in graph.nodes}
    todo = [("node", name) for name in start] + [("function", name) for name in functions]
    seen: set[tuple[str, str]] = set()
    while todo:
        key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        kind, name = key
        if kind == "node" and name in by_name:
            todo += [("node", i) for i in by_name[name].inputs]
            todo += [("function", f) for f in by_name[name].calls]
        elif kind == "function":
            for node in graph.functions.get(name, ()):
                todo += [("function", f) for f in node.calls]
    return seen


def _nodes(data: memoryview, number: int, most: int) -> list[Node]:
    nodes = [_node(node) for node in islice(messages(data, number), max(most, 0) + 1)]
    if len(nodes) > most:
        raise WireError(f"more than {_MAX_NODES} ops")
    return nodes


def _node(data: memoryview) -> Node:
    name = op = ""
    inputs: list[str] = []
    calls: list[str] = []
    elsewhere = False
    for field in fields(data):
        if field.number == _NODE_NAME:
            name = field.text
        elif field.number == _NODE_OP:
            op = field.text
        elif field.number == _NODE_INPUT:
            inputs.append(node_name(field.text))
        elif field.number == _NODE_ATTR:
            key, value = text(field.message, _ENTRY_KEY), message(field.message, _ENTRY_VALUE)
            calls += _functions_of(value)
            elsewhere = elsewhere or names_elsewhere(key, _texts(value))
    return Node(name, op, tuple(inputs), (op, *calls), elsewhere)


def node_name(tensor: str) -> str:
    """``^name`` and ``name:0`` -> ``name``."""
    return tensor.lstrip("^").partition(":")[0]


def _functions_of(value: memoryview) -> list[str]:
    found = []
    for field in fields(value):
        if field.number == _ATTR_FUNC:
            found.append(text(field.message, _FUNC_NAME))
        elif field.number == _ATTR_LIST:
            found += [text(f, _FUNC_NAME) for f in messages(field.message, _LIST_FUNC)]
    return found


def _texts(value: memoryview) -> Iterator[str | None]:
    """The strings that an attribute is, which are bytes; None for a value of another kind.

    In a function that may be the name of an attribute of the call, where the string then is.
    """
    for field in fields(value):
        yield str(field.message, "utf-8", "replace") if field.number == _ATTR_TEXT else None
