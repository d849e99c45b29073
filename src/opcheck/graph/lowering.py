"""The nodes that TensorFlow adds when it inlines calls and lowers control flow, and their edges.

Source: tensorflow/core/common_runtime/{lower_while_op,lower_if_op,lower_case_op,
inline_function_utils,lower_functional_ops}.cc. They compute nothing, but each has a place, and what
passes through them from one memory to another is copied. Their names are TensorFlow's, with a
position where TensorFlow counts. Left out are NoOps that only control, and control edges to what is
added: they move no data.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from opcheck.graph.frames import BRANCHES, LOOPS, Frame, data_inputs
from opcheck.graph.raw import RawNode, RawTensor
from opcheck.graph.types import ARGUMENT, ARGUMENTS_ON_HOST, Edge, OpNode, TensorSpec

_Port = tuple[str, int]
_BOOL = RawTensor("bool", ())
_INDEX = RawTensor("int32", ())
# Argument names, which kernels keep in host memory by. Merge and _SwitchN have as many as needed.
_INPUTS = {
    "Enter": ("data",),
    "Exit": ("data",),
    "Identity": ("input",),
    "LoopCond": ("input",),
    "NextIteration": ("data",),
    "Switch": ("data", "pred"),
    "_SwitchN": ("data", "output_index"),
}


class Lowered(msgspec.Struct, frozen=True):
    """``graphs``: the ids of all nodes, as TensorFlow creates them: first those of the step itself,
    then those of each body that is placed on its own. ``added``: those that are no ops of the
    model. ``edges`` carry data between all of them."""

    graphs: tuple[tuple[str, ...], ...]
    added: tuple[OpNode, ...]
    edges: tuple[Edge, ...]


def lower(main: Frame, ops: Mapping[str, OpNode]) -> Lowered:
    """What becomes of ``main`` and the frames below it, whose ops are ``ops``, by id."""
    lowering = _Lowering(ops)
    lowering.walk(main)
    known = {name for names in lowering.graphs for name in names}
    lowering.edges = [e for e in lowering.edges if e.src in known or e.src.startswith(ARGUMENT)]
    needed = _needed(lowering, main, ops)
    added = tuple(
        node if node.id in needed else msgspec.structs.replace(node, live=False)
        for node in lowering.added.values()
    )
    return Lowered(tuple(map(tuple, lowering.graphs)), added, tuple(lowering.edges))


def _needed(lowering: _Lowering, main: Frame, ops: Mapping[str, OpNode]) -> set[str]:
    """What ops that run, and results, get their data from."""
    before: dict[str, list[str]] = {}
    for edge in lowering.edges:
        before.setdefault(edge.dst, []).append(edge.src)
    todo = [op.id for op in ops.values() if op.live]
    todo += (lowering.port(main, ref)[0] for ref in main.function.results)
    needed: set[str] = set()
    while todo:
        node = todo.pop()
        if node not in needed:
            needed.add(node)
            todo += before.get(node, ())
    return needed


@dataclass(frozen=True)
class _At:
    """Where nodes are added: for ``node`` of ``frame``, or for the body that ``frame`` is."""

    frame: Frame
    node: RawNode | None
    loops: tuple[str, ...]

    @property
    def base(self) -> str:
        return f"{self.frame.prefix}{self.node.name}/" if self.node else f"Func/{self.frame.prefix}"

    @property
    def placed(self) -> str:
        prefix = self.frame.placed_prefix
        return f"{prefix}{self.node.name}/" if self.node else f"Func/{prefix}"


class _Lowering:
    def __init__(self, ops: Mapping[str, OpNode]) -> None:
        self._ops = ops
        self.graphs: list[list[str]] = []
        self.added: dict[str, OpNode] = {}
        self.edges: list[Edge] = []
        self._waiting: deque[tuple[Frame, RawNode] | Frame] = deque()
        self._own: deque[Frame] = deque()
        self._lowered: set[tuple[Frame, str]] = set()

    def walk(self, main: Frame) -> None:
        """TensorFlow goes through the nodes in order, and appends what becomes of one."""
        self._own.append(main)
        while self._own:
            self.graphs.append([])
            self._body(self._own.popleft())
            while self._waiting:
                item = self._waiting.popleft()
                if isinstance(item, Frame):
                    self._inline(item)
                    continue
                frame, node = item
                self._lowered.add((frame, node.name))
                if node.op in LOOPS:
                    self._loop(frame, node)
                elif node.op in BRANCHES:
                    self._branch(frame, node)
                else:
                    self._inline(*frame.callees[node.name])
                self._no_op(frame, node)

    def _body(self, frame: Frame) -> None:
        for node in frame.function.nodes:
            if frame.is_op(node):
                op_id = frame.prefix + node.name
                self.graphs[-1].append(op_id)
                for position, ref in enumerate(data_inputs(node)):
                    self.edges.append(Edge(*self.port(frame, ref), op_id, position))
            elif node.name not in frame.callees:
                continue
            elif frame.callees[node.name][0].own_graph:
                self._own.extend(frame.callees[node.name])
            else:
                self._waiting.append((frame, node))

    def _inline(self, callee: Frame) -> None:
        """An Identity for each argument and each result, beside what it passes on."""
        at = _At(callee, None, callee.loops)
        for i, (source, *_) in enumerate(callee.sources):
            port, tensor = self._handed_in(callee, i), source[0].tensor(source[1])
            beside = port[0] if callee.part else self._beside(*source)
            self._add(at, "Identity", "input", i, [port], tensor, beside=beside)
        self._body(callee)
        for i, ref in enumerate(callee.function.results):
            port, beside = self.port(callee, ref), self._beside(callee, ref)
            self._add(at, "Identity", "output", i, [port], callee.tensor(ref), beside=beside)

    def _loop(self, frame: Frame, node: RawNode) -> None:
        """Handles are handed in once, everything else goes round."""
        parts = {callee.part: callee for callee in frame.callees[node.name]}
        if not {"cond", "body"} <= parts.keys():
            return
        data = [self.port(frame, ref) for ref in data_inputs(node)]
        tensors = node.outputs
        moving = [i for i, tensor in enumerate(tensors) if tensor.dtype != "resource"]
        devices = [self._device(port, tensor) for port, tensor in zip(data, tensors, strict=True)]
        at = _At(frame, node, frame.loops)
        within = _At(frame, node, (*frame.loops, frame.prefix + node.name))
        base = at.base
        for i, tensor in enumerate(tensors):
            self._add(at, "Enter", "enter", i, [data[i]], tensor, device=devices[i])
        for i in moving:
            sources = [(f"{base}enter/{i}", 0), (f"{base}next_iteration/{i}", 0)]
            self._add(within, "Merge", "merge", i, sources, tensors[i], device=devices[i])
        self._waiting.append(parts["cond"])
        self._add(within, "LoopCond", "LoopCond", 0, [_output(parts["cond"], 0)], _BOOL)
        for i in moving:
            sources = [(f"{base}merge/{i}", 0), (f"{base}LoopCond/0", 0)]
            named = f"{self._called(data[i])}_switch"
            self._add(
                within, "Switch", "switch", i, sources, tensors[i], named=named, device=devices[i]
            )
        self._waiting.append(parts["body"])
        for i in moving[:1]:
            sources = [(f"{base}switch/{i}", 1)]
            self._add(within, "Identity", "loop_body_control", i, sources, tensors[i])
        for i in moving:
            self._add(
                at, "Exit", "exit", i, [(f"{base}switch/{i}", 0)], tensors[i], device=devices[i]
            )
        for i in moving:
            sources = [_output(parts["body"], i)]
            self._add(
                within, "NextIteration", "next_iteration", i, sources, tensors[i], device=devices[i]
            )

    def _branch(self, frame: Frame, node: RawNode) -> None:
        """A Switch for each input, beside where it comes from, and a Merge for each output.

        The Switch is called after what it passes on, by its whole name.
        """
        condition, *data = data_inputs(node)
        branches = sorted(frame.callees[node.name], key=lambda b: b.part == "else")  # the last
        switch, decides = (
            ("_SwitchN", "branch_index") if _is_case(node) else ("Switch", "switch_pred")
        )
        wanted, kind = self.port(frame, condition), frame.tensor(condition)
        at = _At(frame, node, frame.loops)
        many = len(branches)
        self._add(at, switch, decides, 0, [wanted, wanted], kind, many=many)
        pivots = ["pivot"] * many if _is_case(node) else ["pivot_f", "pivot_t"]
        for i, pivot in enumerate(pivots):
            self._add(at, "Identity", pivot, i, [(f"{at.base}{decides}/0", i)], kind)
        for i, ref in enumerate(data):
            port, tensor = self.port(frame, ref), frame.tensor(ref)
            self._add(
                at,
                switch,
                "switch",
                i,
                [port, wanted],
                tensor,
                named=self._called(port),
                beside=self._beside(frame, ref),
                many=many,
            )
        self._waiting.extend(branches)
        for i, tensor in enumerate(node.outputs):
            sources = [_output(branch, i) for branch in branches]
            self._add(at, "Merge", "output", i, sources, tensor)
        sources = [(f"{at.base}{pivot}/{i}", 0) for i, pivot in enumerate(pivots)][::-1]
        self._add(at, "Merge", "branch_executed", 0, sources, kind)

    def port(self, frame: Frame, ref: str) -> _Port:
        """The node that really hands on ``ref`` of ``frame``, and which output of it."""
        name, _, number = ref.rpartition(":")
        index = int(number)
        if name in frame.argument:
            if frame.caller is None:
                return f"{ARGUMENT}{name}", 0
            position = frame.argument[name]
            if frame.own_graph:
                return self._handed_in(frame, position)
            return f"Func/{frame.prefix}input/{position}", 0
        if name not in frame.callees:
            return frame.prefix + name, index
        node = frame.nodes[name]
        if node.op in LOOPS:
            if node.outputs[index].dtype == "resource":
                return self.port(frame, data_inputs(node)[index])
            return f"{frame.prefix}{name}/exit/{index}", 0
        if node.op in BRANCHES:
            return f"{frame.prefix}{name}/output/{index}", 0
        (callee,) = frame.callees[name]
        if callee.own_graph:
            return self.port(callee, callee.function.results[index])
        return _output(callee, index)

    def _handed_in(self, callee: Frame, position: int) -> _Port:
        """Where argument ``position`` of a body comes from."""
        caller, ref = callee.sources[position][0]
        if callee.call is None or not callee.part:
            return self.port(caller, ref)
        base = f"{caller.prefix}{callee.call.name}"
        if callee.call.op in BRANCHES:
            return f"{base}/switch/{position}", _branch_number(callee.part)
        if callee.call.outputs[position].dtype == "resource":
            return f"{base}/enter/{position}", 0
        if callee.part == "cond":
            return f"{base}/merge/{position}", 0
        return f"{base}/switch/{position}", 1

    def _add(
        self,
        at: _At,
        op_type: str,
        name: str,
        position: int,
        sources: Sequence[_Port],
        tensor: RawTensor,
        *,
        named: str = "",
        device: str = "",
        beside: str = "",
        many: int = 2,
    ) -> None:
        """``named``: what TensorFlow calls it, where that is not ``name``. ``device`` is the one
        asked for, that of its first source where it is colocated with a node, ``beside``. ``many``:
        how many ways a Switch has."""
        node_id = f"{at.base}{name}/{position}"
        if op_type == "Merge":
            inputs = [(f"inputs[{i}]", tensor) for i in range(len(sources))]
        else:
            second = _INDEX if op_type == "_SwitchN" else _BOOL
            inputs = list(zip(_INPUTS[op_type], (tensor, second), strict=False))
        outputs = [("output", tensor)]
        if op_type == "Merge":
            outputs.append(("value_index", _INDEX))
        elif op_type == "Switch":
            outputs = [("output_false", tensor), ("output_true", tensor)]
        elif op_type == "_SwitchN":
            outputs = [(f"outputs[{i}]", tensor) for i in range(many)]
        at_argument = beside.startswith(ARGUMENT)
        self.graphs[-1].append(node_id)
        self.added[node_id] = OpNode(
            id=node_id,
            op_type=op_type,
            layer_path=None,
            role="forward",
            inputs=tuple(TensorSpec(name, t.dtype, t.shape) for name, t in inputs),
            outputs=tuple(TensorSpec(name, t.dtype, t.shape) for name, t in outputs),
            dtypes=() if op_type == "LoopCond" else (("T", tensor.dtype),),
            attrs=(("_class", (f"loc:@{beside}",)),) if beside and not at_argument else (),
            device=self._device(sources[0], tensor) if beside else device,
            placed_as=f"{at.placed}{named or name}",
            loops=at.loops,
        )
        for i, port in enumerate(sources):
            self.edges.append(Edge(*port, node_id, i))

    def _no_op(self, frame: Frame, node: RawNode) -> None:
        """What stays of a node under its name, for those that were told to be beside it."""
        name = frame.prefix + node.name
        self.graphs[-1].append(name)
        placed = frame.placed_prefix + node.name
        self.added[name] = OpNode(name, "NoOp", None, "forward", (), (), placed_as=placed)

    def _beside(self, frame: Frame, ref: str) -> str:
        """The node that ``ref`` is of by the time it is looked at: calls and the like are lowered
        one after the other."""
        name = ref.rpartition(":")[0]
        if name in frame.callees and (frame, name) not in self._lowered:
            return "" if frame.callees[name][0].own_graph else frame.prefix + name
        return self.port(frame, ref)[0]

    def _called(self, port: _Port) -> str:
        """The name that TensorFlow has for what is at ``port``."""
        if port[0].startswith(ARGUMENT):
            return argument_name(port[0].removeprefix(ARGUMENT))
        node = self._ops.get(port[0]) or self.added.get(port[0])
        return (node.placed_as if node else "") or port[0]

    def _device(self, port: _Port, tensor: RawTensor) -> str:
        """The device that is asked for, for what is at ``port``; an argument is where it is."""
        if port[0].startswith(ARGUMENT):
            return "/device:CPU:0" if tensor.dtype in ARGUMENTS_ON_HOST else ""
        node = self._ops.get(port[0]) or self.added.get(port[0])
        return node.device if node is not None else ""


def argument_name(name: str) -> str:
    """What TensorFlow calls the argument that the placeholder ``name`` is for
    (graph_to_functiondef.cc: NodeNameMapping::Normalize)."""
    return re.sub(r"[^a-z0-9]", "_", name.lower())


def _output(callee: Frame, index: int) -> _Port:
    return f"Func/{callee.prefix}output/{index}", 0


def _is_case(node: RawNode) -> bool:
    return node.op in ("Case", "StatelessCase")


def _branch_number(part: str) -> int:
    """The output of the Switch that leads there."""
    if part in ("else", "then"):
        return int(part == "then")
    return int(part.rpartition("_")[2])
