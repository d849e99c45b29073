"""Creates and runs kernels of the emulated device, each on its own: see test_kernel_table.py.

``python kernel_worker.py TARGET FOLDER``: a line of FOLDER/results.jsonl says how each registration
did; those that have one already are left out. What FOLDER/running names when this process dies is
the kernel that it died of. The device's own words go to file descriptor 2.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from kernel_inputs import ROWS, UNINITIALIZED, VARIANTS, Made, Row, Variable
from tensorflow.python.framework import op_def_library, op_def_registry

from opcheck import emulator
from opcheck.emulator.load import registered
from opcheck.targets import KernelDef, resolve
from opcheck.worker.messages import first_line

v1 = tf.compat.v1
_DEVICES = {"GPU": "/GPU:0", "CPU": "/CPU:0"}
_OPAQUE = (tf.resource, tf.variant, tf.string)


class Case:
    """One registration as a node: ``attrs`` are a choice among the types it allows."""

    def __init__(self, line: str, attrs: dict[str, Any], variant: Row | None = None) -> None:
        self.op, self.device, _, self.label, _, _ = line.split(" ")
        self.line, self.variant = line, variant
        self.row = {**ROWS.get(self.op, {}), **(variant or {})}
        self.definition = op_def_registry.get(self.op)
        self.attrs = {**self._defaults(), **attrs}

    def _defaults(self) -> dict[str, Any]:
        found = {}
        for attr in self.definition.attr:
            if attr.name in self.row:
                found[attr.name] = self.row[attr.name]
            elif attr.type == "type" and attr.HasField("default_value"):
                found[attr.name] = tf.as_dtype(attr.default_value.type).name
            elif attr.type == "type":
                allowed = [tf.as_dtype(t).name for t in attr.allowed_values.list.type]
                found[attr.name] = "float32" if "float32" in allowed or not allowed else allowed[0]
        return found

    def dtype(self, argument: Any, dtypes: dict[str, Any]) -> tf.DType:
        """Of an input's tensors. All lists of types here are of one type."""
        if argument.type_attr:
            return tf.as_dtype(dtypes[argument.type_attr])
        if argument.type_list_attr:
            return tf.as_dtype(dtypes["T"])
        return tf.as_dtype(argument.type)

    def build(self, device: str) -> tuple[tf.Operation, list[tf.Tensor], list[tf.Operation]]:
        """The node, what it leaves in the variables that it changes, and their initializers."""
        maker = _Maker(device, self.attrs)
        arguments = {
            argument.name: maker.argument(argument, self.row.get(argument.name, (2, 3)), self)
            for argument in self.definition.input_arg
        }
        known = {attr.name for attr in self.definition.attr}
        given = {n: v for n, v in (*self.row.items(), *self.attrs.items()) if n in known}
        inferred = {
            name
            for argument in self.definition.input_arg
            for name in (argument.type_attr, argument.type_list_attr, argument.number_attr)
        }
        attrs = {n: v for n, v in given.items() if n not in inferred}
        with tf.device(_DEVICES[device]), maker.labelled(self.op, self.label):
            node = _apply(self.op, {**arguments, **attrs})
        with tf.device(_DEVICES[device]), tf.control_dependencies([node]):
            after = [read() for read in maker.reads]
        return node, after, maker.initializers


class _Maker:
    """Makes the inputs of one node: values on the CPU, variables where the node is."""

    def __init__(self, device: str, attrs: dict[str, Any]) -> None:
        self.device, self.attrs = device, attrs
        self.can_assign = device == "CPU" or _can_assign(device)
        self.initializers: list[tf.Operation] = []
        self.reads: list[Any] = []
        self._made: dict[int, tf.Operation] = {}

    def labelled(self, op: str, label: str) -> Any:
        return v1.get_default_graph()._kernel_label_map({op: label} if label != "-" else {})

    def argument(self, argument: Any, given: Any, case: Case) -> Any:
        dtype = case.dtype(argument, self.attrs)
        if argument.number_attr or argument.type_list_attr:
            return [self.tensor(dtype, one, argument.is_ref) for one in given]
        return self.tensor(dtype, given, argument.is_ref)

    def tensor(self, dtype: tf.DType, given: Any, is_ref: bool = False) -> Any:
        if isinstance(given, Made):
            return self._op(given).outputs[given.output]
        if is_ref:
            return self._ref(dtype, given)
        if dtype == tf.resource:
            holds = given.dtype if isinstance(given, Variable) else self._content()
            return self._resource(tf.as_dtype(holds), getattr(given, "value", given))
        if dtype == tf.variant:
            return tf.raw_ops.EmptyTensorList(
                element_shape=[3], max_num_elements=2, element_dtype=tf.float32
            )
        with tf.device("/CPU:0"):
            return tf.constant(_values(dtype, given), dtype)

    def _content(self) -> Any:
        """The dtype of a variable, where the node is for one; else any."""
        named = tf.as_dtype(self.attrs.get("dtype") or self.attrs.get("T") or "float32")
        return tf.float32 if named in _OPAQUE else named

    def _resource(self, dtype: tf.DType, given: Any) -> tf.Tensor:
        value = self.tensor(dtype, given)
        with tf.device(_DEVICES[self.device]):
            handle = tf.raw_ops.VarHandleOp(
                dtype=dtype, shape=value.shape, shared_name=f"v{next(_numbers)}"
            )
            self.initializers.append(tf.raw_ops.AssignVariableOp(resource=handle, value=value))
        self.reads.append(lambda: tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype))
        return handle

    def _ref(self, dtype: tf.DType, given: Any) -> tf.Tensor:
        """A variable of this step. tensorflow-metal has no Assign: there a scatter sets it."""
        value = self.tensor(dtype, given)
        rows = self.tensor(tf.int32, [[row] for row in range(value.shape[0])])
        with tf.device(_DEVICES[self.device]):
            shape = {"shape": value.shape, "dtype": dtype}
            ref = _apply("TemporaryVariable", {**shape, "var_name": f"v{next(_numbers)}"}).outputs[
                0
            ]
            if self.can_assign:
                ref = _apply("Assign", {"ref": ref, "value": value}).outputs[0]
            else:
                scatter = {"ref": ref, "indices": rows, "updates": value}
                ref = _apply("ScatterNdUpdate", scatter).outputs[0]
        self.reads.append(lambda: tf.raw_ops.Identity(input=ref))
        return ref

    def _op(self, made: Made) -> tf.Operation:
        if id(made) not in self._made:
            definition = op_def_registry.get(made.op)
            case = Case(f"{made.op} GPU 0 - - -", {})
            arguments = dict(made.row)
            for argument in definition.input_arg:
                dtype = case.dtype(argument, made.row)
                arguments[argument.name] = self.tensor(dtype, made.row[argument.name])
            for argument in definition.input_arg:
                arguments.pop(argument.type_attr, None)
            with tf.device(_DEVICES[self.device]):
                self._made[id(made)] = _apply(made.op, arguments)
        return self._made[id(made)]


_numbers = itertools.count()


@cache
def _can_assign(device: str) -> bool:
    return any(kernel.op == "Assign" and kernel.device == device for kernel in registered())


def _apply(op: str, arguments: dict[str, Any]) -> tf.Operation:
    """As raw_ops does it, but for the ops that it leaves out."""
    _old(op)
    definition = op_def_registry.get(op)
    defaults = {a.name: _default(a) for a in definition.attr if a.HasField("default_value")}
    for argument in definition.input_arg:
        for inferred in (argument.type_attr, argument.type_list_attr, argument.number_attr):
            defaults.pop(inferred, None)
    outputs = op_def_library.apply_op(op, name=f"case{next(_numbers)}", **{**defaults, **arguments})
    first = outputs
    while isinstance(first, (list, tuple)):
        first = first[0]
    return first if isinstance(first, tf.Operation) else first.op


def _default(attr: Any) -> Any:
    value = attr.default_value
    field = value.WhichOneof("value")
    found = getattr(value, field)
    if field == "type":
        return tf.as_dtype(found)
    if field == "shape":
        return tf.TensorShape(found)
    if field == "list":
        return [item for _, items in found.ListFields() for item in items]
    return found


def _old(op: str) -> None:
    """Lets the default graph be of a time when TensorFlow still had ``op``."""
    removed = op_def_registry.get(op).deprecation.version
    if removed:
        graph = v1.GraphDef()
        graph.versions.producer = removed - 1
        tf.import_graph_def(graph, name="")


def _values(dtype: tf.DType, given: Any) -> Any:
    if not isinstance(given, tuple):
        return np.asarray(given).astype(dtype.as_numpy_dtype)
    count = int(np.prod(given))
    if dtype == tf.string:
        flat: Any = np.asarray([b"text"] * count)
    elif dtype == tf.bool:
        flat = np.arange(count) % 2 == 0
    elif dtype.is_floating or dtype.is_complex:
        flat = np.linspace(0.1, 0.9, count)
    else:
        flat = np.arange(count) % 3 + 1
    return flat.reshape(given).astype(dtype.as_numpy_dtype)


def cases(line: str) -> Iterator[Case]:
    """A node for every combination of the types that a registration allows, and every variant."""
    text = line.split(" ")[4]
    constraints = [c.partition("=") for c in text.split(";")] if text != "-" else []
    names = [name for name, _, _ in constraints]
    choices = [[tf.as_dtype(v).name for v in values.split(",")] for _, _, values in constraints]
    for variant in ({}, *VARIANTS.get(line.split(" ")[0], ())):
        for chosen in itertools.product(*choices):
            yield Case(line, dict(zip(names, chosen, strict=True)), variant)


def run(case: Case, cpu: list[KernelDef]) -> tuple[str | None, str | None]:
    """What is wrong with a kernel, and its node's name if it must give zeros: the CPU refuses."""
    graph = tf.Graph()
    with graph.as_default():
        node, after, initializers = case.build("GPU")
        found = _run(graph, node, after, initializers)
    expected = _on_cpu(case) if any(_serves(kernel, node) for kernel in cpu) else None
    wrong = _shapes(node, found) or _numbers_of(case, node, found, expected)
    return wrong, node.name if expected is None else None


def _on_cpu(case: Case) -> list[Any] | None:
    graph = tf.Graph()
    with graph.as_default():
        try:
            return _run(graph, *case.build("CPU"))
        except tf.errors.OpError:
            return None


def _shapes(node: tf.Operation, found: list[Any]) -> str | None:
    for tensor, value in zip(node.outputs, found, strict=False):
        if value is None:
            continue
        if value.dtype != tensor.dtype.base_dtype.as_numpy_dtype:
            return f"{tensor.name} is {value.dtype}, not {tensor.dtype}"
        if not tensor.shape.is_compatible_with(value.shape):
            return f"{tensor.name} has the shape {value.shape}, not {tensor.shape}"
    return None


def _numbers_of(
    case: Case, node: tf.Operation, found: list[Any], expected: list[Any] | None
) -> str | None:
    if expected is None:
        zeros = all(v is None or not v.astype(bool).any() for v in found[: len(node.outputs)])
        return None if zeros else "not zeros"
    skipped = UNINITIALIZED.get(case.op, ())
    for index, (value, right) in enumerate(zip(found, expected, strict=True)):
        if value is None or index in skipped:
            continue
        if not np.array_equal(value, right, equal_nan=value.dtype.kind in "fc"):
            return f"output {index} differs from the CPU's: {value.flat[:3]}, {right.flat[:3]}"
    return None


def _run(
    graph: tf.Graph, node: tf.Operation, after: list[tf.Tensor], initializers: list[tf.Operation]
) -> list[Any]:
    """Values of the outputs, then of the variables; ``None`` for what is a handle."""
    config = v1.ConfigProto(allow_soft_placement=False)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = v1.OptimizerOptions.L0
    wanted = [*node.outputs, *after]
    seen = [t for t in wanted if t.dtype.base_dtype not in _OPAQUE]
    with v1.Session(graph=graph, config=config) as session:
        session.run(initializers)
        values = iter(session.run([*seen, node])[:-1])
    return [None if t.dtype.base_dtype in _OPAQUE else np.asarray(next(values)) for t in wanted]


def _serves(kernel: KernelDef, node: tf.Operation) -> bool:
    attrs = node.node_def.attr
    return kernel.op == node.type and all(
        attr in attrs and _named(node.get_attr(attr)) in allowed
        for attr, allowed in kernel.constraints
    )


def _named(value: Any) -> str:
    if isinstance(value, tf.DType):
        return value.name
    return value.decode() if isinstance(value, bytes) else str(value).lower()


def main(target: str, folder: Path) -> None:
    cpu = [kernel for kernel in registered() if kernel.device in ("CPU", "DEFAULT")]
    plan = emulator.load(resolve(target))
    v1.disable_eager_execution()
    results = folder / "results.jsonl"
    known = results.read_text().splitlines() if results.exists() else []
    done = {json.loads(answer)["line"] for answer in known}
    with results.open("a", buffering=1) as file:
        for line in plan.add:
            if line in done:
                continue
            (folder / "running").write_text(line)
            wrong, zeros = _try(line, cpu)
            print(json.dumps({"line": line, "wrong": wrong, "zeros": zeros}), file=file)


def _try(line: str, cpu: list[KernelDef]) -> tuple[str | None, list[str]]:
    zeros = []
    for case in cases(line):
        try:
            wrong, name = run(case, cpu)
        except Exception as error:
            wrong, name = first_line(error), None
        if name is not None:
            zeros.append(name)
        if wrong is not None:
            return f"{wrong} {case.variant or ''}".strip(), zeros
    return None, zeros


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
