"""What is known of a graph before it runs, once its batch size is: shapes and trip counts.

A traced graph leaves the batch open, so most shapes in it have a hole, and function bodies know
less still. Here the graph is imported again with arguments of full shape, and each function body
with the shapes of what it is called with; TensorFlow's own shape inference does the rest. Import
stops at each call, loop and list access, so that what is found inside counts for what follows.
Trip counts come from the loops' conditions, through TensorFlow's constant folding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def
from tensorflow.python.framework.tensor_util import try_evaluate_constant
from tensorflow.python.ops.handle_data_util import copy_handle_data

from opcheck.graph import Shape

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_LOOPS = frozenset({"While", "StatelessWhile"})
_BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})
_LIST_PUTS = {"TensorListSetItem": 2, "TensorListPushBack": 1}  # which input is the element
_LIST_GETS = {"TensorListGetItem": 0, "TensorListPopBack": 1, "TensorListStack": 0}  # which output
_LIST_PASSES = frozenset({"Identity", "TensorListPopBack", "TensorListResize", "ZerosLike", "AddN"})
_STOPS = _CALLS | _LOOPS | _BRANCHES | _LIST_GETS.keys()
_STALE = (
    "_class",
    "_output_shapes",
)  # names a node that may be an argument; hides what is inferred
_WIDENINGS = 3  # of a loop's variables until no round changes their shapes


class Argument(NamedTuple):
    """What is passed: a tensor ``like`` this one, of ``shape``.

    ``value`` is what it is when that is a known integer, ``element`` the shape of its elements if
    it is a list.
    """

    like: Any
    shape: Any
    value: int | None = None
    element: Shape = None


@dataclass
class Static:
    """By function and node: the shapes of its outputs, and how often a While's body runs.

    What differs between two calls of one function is unknown.
    """

    shapes: dict[str, dict[str, tuple[Shape, ...]]] = field(default_factory=dict)
    trips: dict[str, dict[str, int | None]] = field(default_factory=dict)

    def outputs(self, function: str, op: Any) -> tuple[Shape, ...]:
        """The shapes of ``op``'s outputs: what is known here, else what the op itself says."""
        found = self.shapes.get(function, {}).get(op.name)
        if found is not None and all(shape is not None and None not in shape for shape in found):
            return found
        own = tuple(_plain(tensor.shape) for tensor in op.outputs)
        return own if found is None else tuple(map(_merged, found, own))


def static(
    graph: Any,
    nodes: Any,
    functions: Mapping[str, Any],
    alternatives: Mapping[str, Sequence[str]],
    shapes: Sequence[Any],
) -> Static:
    """Everything that can be known of ``graph`` (a FuncGraph) with inputs of ``shapes``.

    ``nodes`` are its NodeDefs, ``functions`` are FunctionDefs by name; ``alternatives`` says
    which others a call of a function may run.
    """
    walk = _Walk(graph, functions, alternatives)
    arguments = {
        tensor.op.name: Argument(tensor, shape)
        for tensor, shape in zip(graph.inputs, shapes, strict=True)
    }
    walk.visit(graph.name, nodes, arguments, [t.name for t in graph.outputs])
    return walk.found


class _Body:
    """One function body, imported with known arguments. Tensors go by ``node:index``."""

    def __init__(self, arguments: Mapping[str, Argument], results: Sequence[str]) -> None:
        self.graph = tf.Graph()
        self.tensors: dict[str, Any] = {}
        self.trips: dict[str, int | None] = {}
        self._results = results
        self._values: dict[str, int] = {}  # of tensors, by their names in ``graph``
        self._elements: dict[str, Shape] = {}  # of lists, the same
        self._index: dict[str, int] = {}
        with self.graph.as_default():
            for index, (name, (like, shape, value, element)) in enumerate(arguments.items()):
                passed = tf.compat.v1.placeholder(like.dtype, shape)
                copy_handle_data(like, passed)
                self.tensors[f"{name}:0"] = passed
                self._index[passed.name] = index
                self.learn(passed, value, element)

    @property
    def results(self) -> list[Any]:
        return [self.tensors[name] for name in self._results]

    def learn(self, tensor: Any, value: int | None, element: Shape) -> None:
        if value is not None:
            self._values[tensor.name] = value
        if element is not None:
            self._elements[tensor.name] = element

    def value(self, tensor: Any) -> int | None:
        """The integer that ``tensor`` always is, if it is one."""
        if tensor.dtype not in (tf.int32, tf.int64) or tensor.shape.rank != 0:
            return None
        tensor = _origin(tensor)
        if tensor.name in self._values:
            return self._values[tensor.name]
        constant = None if tensor.name in self._index else try_evaluate_constant(tensor)
        return None if constant is None else int(constant)

    def element(self, tensor: Any) -> Shape:
        """The shape of the elements of the list ``tensor``."""
        while tensor.name not in self._elements:
            op = tensor.op
            if op.type in _LIST_PUTS:
                return _plain(op.inputs[_LIST_PUTS[op.type]].shape)
            if op.type == "TensorListFromTensor":
                shape = _plain(op.inputs[0].shape)
                return shape[1:] if shape else None
            if op.type not in _LIST_PASSES:
                return None
            tensor = op.inputs[0]
        return self._elements[tensor.name]

    def argument_index(self, tensor: Any) -> int | None:
        """Which argument ``tensor`` is, unchanged."""
        return self._index.get(_origin(tensor).name)

    def step(self, index: int) -> int | None:
        """What each round adds to loop variable ``index``."""
        result = _origin(self.results[index])
        if self.argument_index(result) == index:
            return 0
        if result.op.type not in ("Add", "AddV2"):
            return None
        one, other = result.op.inputs
        if self.argument_index(one) == index:
            return self.value(other)
        return self.value(one) if self.argument_index(other) == index else None


class _Walk:
    def __init__(
        self, parent: Any, functions: Mapping[str, Any], alternatives: Mapping[str, Sequence[str]]
    ) -> None:
        self.found = Static()
        self._parent = parent
        self._functions = functions
        self._alternatives = alternatives
        self._calling: list[str] = []

    def visit(
        self, name: str, nodes: Any, arguments: Mapping[str, Argument], results: Sequence[str]
    ) -> _Body:
        body = _Body(arguments, results)
        segment: list[Any] = []
        outputs = {key.rpartition(":")[0]: [tensor] for key, tensor in body.tensors.items()}
        for node in _sorted(nodes, set(arguments)):
            segment.append(node)
            if node.op in _STOPS:
                outputs |= self._import(segment, body)
                self._refine(outputs[node.name], body, node.name)
                segment = []
        outputs |= self._import(segment, body)
        self._remember(name, outputs, body.trips)
        return body

    def _import(self, nodes: Sequence[Any], body: _Body) -> dict[str, list[Any]]:
        """The outputs of ``nodes``, by name, once they are in ``body``."""
        if not nodes:
            return {}
        definition = tf.compat.v1.GraphDef()
        definition.versions.CopyFrom(self._parent.graph_def_versions)
        definition.node.extend(nodes)
        passed = {}
        for node in definition.node:
            data = [ref for ref in node.input if not ref.startswith("^")]
            del node.input[:]
            node.input.extend(data)  # what must come first does not matter here
            for ref in data:
                key = ref if ":" in ref else f"{ref}:0"
                if key in body.tensors:
                    passed[key] = body.tensors[key]
            for attribute in _STALE:
                node.attr.pop(attribute, None)
        with body.graph.as_default():
            # By return_elements, for a name that is a scope as well is changed on import.
            names = [node.name for node in nodes]
            ops = tf.graph_util.import_graph_def(definition, passed, names, name="")
        outputs = {name: list(op.outputs) for name, op in zip(names, ops, strict=True)}
        for name, tensors in outputs.items():
            body.tensors.update((f"{name}:{i}", tensor) for i, tensor in enumerate(tensors))
        return outputs

    def _remember(
        self, function: str, outputs: Mapping[str, list[Any]], trips: Mapping[str, int | None]
    ) -> None:
        known = self.found.shapes.setdefault(function, {})
        for name, tensors in outputs.items():
            shapes = tuple(map(_evaluated, tensors))
            old = known.get(name)
            known[name] = shapes if old is None else tuple(map(_common, old, shapes))
        counted = self.found.trips.setdefault(function, {})
        for name, count in trips.items():
            counted[name] = count if counted.get(name, count) == count else None

    def _refine(self, outputs: Sequence[Any], body: _Body, name: str) -> None:
        """Say of the outputs of a call, a loop or a list access what TensorFlow does not."""
        if not outputs:
            return
        op = outputs[0].op
        if op.type in _LIST_GETS:
            index = _LIST_GETS[op.type]
            element = body.element(op.inputs[0])
            if element is not None:
                number = outputs[index].shape[:1] if op.type == "TensorListStack" else []
                outputs[index].set_shape(tf.TensorShape(number).concatenate(element))
        elif op.type in _LOOPS:
            body.trips[name] = self._loop(op, body)
        else:
            inputs = op.inputs if op.type in _CALLS else op.inputs[1:]
            passed = [Argument(t, t.shape, body.value(t), body.element(t)) for t in inputs]
            names = list(_functions_of(op.node_def))
            bodies = [self._function(name, passed) for name in names]
            for alternative in self._alternatives.get(names[0], ()):
                self._function(alternative, passed)
            _leave(outputs, [found for found in bodies if found is not None], body)

    def _loop(self, op: Any, body: _Body) -> int | None:
        """How often it runs. A variable keeps the shape it comes with where no round changes it."""
        passed = [Argument(t, t.shape, None, body.element(t)) for t in op.inputs]
        attrs = op.node_def.attr
        for _ in range(_WIDENINGS):
            inside = self._function(attrs["body"].func.name, passed)
            if inside is None:
                return None
            left = [
                _unchanged(_plain(before.shape), _plain(after.shape))
                for before, after in zip(passed, inside.results, strict=True)
            ]
            if left == [_plain(argument.shape) for argument in passed]:
                break
            passed = [
                a._replace(shape=tf.TensorShape(s)) for a, s in zip(passed, left, strict=True)
            ]
        else:
            return None
        condition = self._function(attrs["cond"].func.name, passed)
        count = None if condition is None else _trips(op, body, condition, inside)
        for index, (argument, output) in enumerate(zip(passed, op.outputs, strict=True)):
            output.set_shape(argument.shape)
            start, step = body.value(op.inputs[index]), inside.step(index)
            value = None
            if start is not None and step is not None and count is not None:
                value = start + step * count
            body.learn(output, value, inside.element(inside.results[index]))
        return count

    def _function(self, name: str, passed: Sequence[Argument]) -> _Body | None:
        """``None`` when it cannot be walked: a recursion, or an alternative that saves other data
        for its gradient."""
        function = self._functions.get(name)
        if function is None or name in self._calling:
            return None
        wanted = [argument.type for argument in function.signature.input_arg]
        if wanted != [argument.like.dtype.base_dtype.as_datatype_enum for argument in passed]:
            return None
        self._calling.append(name)
        try:
            with self._parent.as_default():
                definition, flat = function_def_to_graph_def(function)
            names = [argument.name for argument in function.signature.input_arg]
            results = [flat[function.ret[out.name]] for out in function.signature.output_arg]
            arguments = dict(zip(names, passed, strict=True))
            return self.visit(name, definition.node, arguments, results)
        finally:
            self._calling.pop()


def _sorted(nodes: Any, arguments: set[str]) -> list[Any]:
    """Producers first; what is in a circle (a loop of TensorFlow 1) stays together at the end."""
    by_name = {node.name: node for node in nodes if node.name not in arguments}
    readers: dict[str, list[str]] = {}
    waits: dict[str, int] = {}
    for node in by_name.values():
        sources = {ref.partition(":")[0] for ref in node.input if not ref.startswith("^")}
        inside = [source for source in sources if source in by_name]
        waits[node.name] = len(inside)
        for source in inside:
            readers.setdefault(source, []).append(node.name)
    ready = [name for name, count in waits.items() if count == 0]
    for name in ready:
        for reader in readers.get(name, ()):
            waits[reader] -= 1
            if waits[reader] == 0:
                ready.append(reader)
    done = set(ready)
    return [by_name[name] for name in (*ready, *(n for n in by_name if n not in done))]


def _leave(outputs: Sequence[Any], bodies: Sequence[_Body], caller: _Body) -> None:
    """Give the outputs of a call what its functions agree on."""
    if not bodies:
        return
    for output, *results in zip(outputs, *(body.results for body in bodies), strict=True):
        shape = _plain(results[0].shape)
        for other in results[1:]:
            shape = _common(shape, _plain(other.shape))
        output.set_shape(shape)
        if len(bodies) == 1:
            caller.learn(output, bodies[0].value(results[0]), bodies[0].element(results[0]))


def _functions_of(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _trips(op: Any, outside: _Body, condition: _Body, inside: _Body) -> int | None:
    """``counter < limit``, or several of these at once; ``None`` for every other condition."""
    counts = []
    todo = [condition.results[0]]
    while todo:
        term = todo.pop().op
        if term.type in ("Identity", "LogicalAnd"):
            todo += term.inputs
            continue
        if term.type != "Less":
            return None
        counter = condition.argument_index(term.inputs[0])
        limit = condition.argument_index(term.inputs[1])
        end = condition.value(term.inputs[1])
        if limit is not None and inside.step(limit) == 0:
            end = outside.value(op.inputs[limit])
        if counter is None or end is None:
            return None
        start, step = outside.value(op.inputs[counter]), inside.step(counter)
        if start is None or step is None or step <= 0:
            return None
        counts.append(max(ceil((end - start) / step), 0))
    return min(counts, default=None)


def _origin(tensor: Any) -> Any:
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor


def _evaluated(tensor: Any) -> Shape:
    """A list of axes is as long as it is: shapes may decide how long."""
    shape = _plain(tensor.shape)
    if shape == (None,) and tensor.op.type == "BroadcastGradientArgs":
        value = try_evaluate_constant(tensor)
        return shape if value is None else tuple(value.shape)
    return shape


def _plain(shape: Any) -> Shape:
    return None if shape.rank is None else tuple(shape.as_list())


def _common(one: Shape, other: Shape) -> Shape:
    if one is None or other is None or len(one) != len(other):
        return None
    return tuple(a if a == b else None for a, b in zip(one, other, strict=True))


def _unchanged(one: Shape, other: Shape) -> Shape:
    """``one``, but for what ``other`` is known to have otherwise."""
    if one is None or other is None:
        return one
    if len(one) != len(other):
        return None
    return tuple(a if b in (a, None) else None for a, b in zip(one, other, strict=True))


def _merged(one: Shape, other: Shape) -> Shape:
    """What either knows."""
    if one is None or other is None or len(one) != len(other):
        return other if one is None else one
    return tuple(b if a is None else a for a, b in zip(one, other, strict=True))
