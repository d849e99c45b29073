"""RawGraph -> ModelGraph: functions inlined and control flow lowered, as TensorFlow does it.

Before it places anything, TensorFlow's runtime inlines calls and lowers functional control flow
(common_runtime/lower_functional_ops.cc, inline_function_utils.cc), so the placer sees one flat
graph whose node names are ``caller/node``, ``loop/body/_N/node`` and so on. The ids given here are
those names without the counters (``/_N``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType

from opcheck.errors import WorkerError
from opcheck.graph.attribution import attribute
from opcheck.graph.frames import BRANCHES, CALLS, LOOPS, Frame, data_inputs
from opcheck.graph.lowering import lower
from opcheck.graph.model import ModelGraph
from opcheck.graph.raw import RawFunction, RawGraph, RawNode
from opcheck.graph.signature import ArgDef
from opcheck.graph.types import ARGUMENT, AttrValue, Edge, LayerNode, OpNode, TensorSpec

# In one step, each body as often as it is called: fifty functions, of which each calls the next one
# twice, are more than any memory holds.
_MOST = {"ops": 500_000, "edges": 5_000_000}
_DEEPEST = 200  # calls within calls; a config nests at most 66 models
_HINT = "Check a part of the model."


def flatten(
    raw: RawGraph, *, name: str, layers: tuple[LayerNode, ...] = (), device_type: str = "GPU"
) -> ModelGraph:
    """The ops that run, by the names the placer gives them.

    ``device_type`` is the accelerator's: among functions that implement one API (Keras 2's LSTM and
    GRU), Grappler calls the one that prefers the device its caller was placed on.

    Raises:
        WorkerError: the functions call one another deeper, or more often, than can be walked.
    """
    return _Flattener(raw, device_type).graph(name, layers)


def depends_on_device(raw: RawGraph) -> bool:
    """Whether another ``device_type`` makes another graph."""
    return any(function.api_implements for function in raw.functions)


class _Flattener:
    def __init__(self, raw: RawGraph, device_type: str) -> None:
        self._raw = raw
        self._functions = {f.name: f for f in raw.functions}
        self._signatures = {s.op: s for s in raw.signatures}
        self._preferred = {
            (f.api_implements, f.api_part): f
            for f in raw.functions
            if f.api_implements and f.api_preferred_device == device_type
        }
        self._frames: list[Frame] = []
        self._notes: list[str] = list(raw.notes)
        self._trips: dict[str, int] = {}
        self._counts: Counter[str] = Counter()

    def graph(self, name: str, layers: tuple[LayerNode, ...]) -> ModelGraph:
        main = Frame(self._raw.main, "")
        self._enter(main, frozenset())
        live = self._live(main)
        ops: list[OpNode] = []
        edges: list[Edge] = []
        for frame in self._frames:
            for node in frame.function.nodes:
                if frame.is_op(node):
                    op = self._op(frame, node, live=(frame, node.name) in live)
                    ops.append(op)
                    edges.extend(self._edges(frame, node, op.id))
        return ModelGraph(
            name=name,
            layers=layers,
            ops=attribute(ops, edges, layers),
            edges=tuple(edges),
            signatures=MappingProxyType(self._signatures),
            notes=tuple(dict.fromkeys(self._notes)),
            arguments=frozenset(
                frame.placed_prefix + name
                for frame in self._frames
                if frame.own_graph
                for name in frame.argument
            ),
            trips=MappingProxyType(self._trips),
            lowered=lower(main, {op.id: op for op in ops}) if main.callees else None,
        )

    # -- frames ---------------------------------------------------------------------------------

    def _enter(self, frame: Frame, calling: frozenset[str]) -> None:
        """Add ``frame`` and, below it, one frame for every function body it calls."""
        if len(calling) > _DEEPEST:
            raise WorkerError(
                f"The traced model's functions call one another more than {_DEEPEST} levels deep.",
                hint=_HINT,
            )
        nodes, results = frame.function.nodes, frame.function.results
        self._count("ops", 1 + len(nodes))
        self._count("edges", len(results) + sum(len(n.inputs) + len(n.outputs) for n in nodes))
        self._frames.append(frame)
        for node in frame.function.nodes:
            if not node.functions or not frame.argument.get(node.name, -1) < 0:
                continue
            for callee in self._callees(frame, node):
                name = callee.function.name
                if name in calling:
                    self._notes.append(f"{node.op} {node.name} recurses; it was not walked.")
                    continue
                frame.callees.setdefault(node.name, []).append(callee)
                self._enter(callee, calling | {name})

    def _count(self, what: str, more: int) -> None:
        self._counts[what] += more
        if self._counts[what] > _MOST[what]:
            raise WorkerError(
                f"The traced model has more than {_MOST[what]} {what} in a step, its functions "
                "counted as often as they are called.",
                hint=_HINT,
            )

    def _callees(self, frame: Frame, node: RawNode) -> Iterator[Frame]:
        bodies = dict(node.functions)
        data = [(frame, ref) for ref in data_inputs(node)]
        if dict(node.attrs).get("_XlaMustCompile") is True:
            return  # one XLA cluster: placed and compiled as a whole
        if node.op in CALLS:
            function = self._function(frame, node, bodies["f"][0])
            if function is not None:
                implements = (function.api_implements, function.api_part)
                chosen = self._preferred.get(implements, function)
                yield self._frame(
                    frame, node, chosen, "", data, own_graph=bool(function.api_implements)
                )
        elif node.op in LOOPS:
            yield from self._loop(frame, node, bodies, data)
        elif node.op in BRANCHES:
            named = {"then_branch": "then", "else_branch": "else"}
            for attribute, branches in node.functions:
                for index, branch in enumerate(branches):
                    function = self._function(frame, node, branch)
                    part = named.get(attribute, f"branch_{index}")
                    if function is not None:
                        yield self._frame(frame, node, function, part, data[1:])
        else:
            names = ", ".join(sorted({n for _, names in node.functions for n in names}))
            self._notes.append(f"{node.op} {node.name} runs {names} itself; it was not walked.")

    def _loop(
        self,
        frame: Frame,
        node: RawNode,
        bodies: Mapping[str, tuple[str, ...]],
        data: list[tuple[Frame, str]],
    ) -> list[Frame]:
        """Condition and body: an argument is what came in, or what the body left last time."""
        if node.trips is not None:
            self._trips[frame.prefix + node.name] = node.trips
        parts = {}
        for part in ("cond", "body"):
            function = self._function(frame, node, bodies[part][0])
            if function is not None:
                parts[part] = self._frame(frame, node, function, part, data)
        if "body" in parts:
            body = parts["body"]
            for callee in parts.values():
                for sources, result in zip(callee.sources, body.function.results, strict=False):
                    sources.append((body, result))
        return list(parts.values())

    def _function(self, frame: Frame, node: RawNode, name: str) -> RawFunction | None:
        found = self._functions.get(name)
        if found is None:
            where = f"{frame.prefix}{node.name}"
            self._notes.append(f"{node.op} {where}: function {name} is not in the graph.")
        return found

    def _frame(
        self,
        frame: Frame,
        node: RawNode,
        function: RawFunction,
        part: str,
        data: list[tuple[Frame, str]],
        *,
        own_graph: bool = False,
    ) -> Frame:
        below = f"{node.name}/{part}/" if part else f"{node.name}/"
        loop = (frame.prefix + node.name,) if node.op in LOOPS else ()
        return Frame(
            function=function,
            prefix=frame.prefix + below,
            caller=frame,
            call=node,
            part=part,
            layer=node.layer or frame.layer,
            role=node.role or frame.role,
            device=node.device or frame.device,
            placed_prefix="" if own_graph else frame.placed_prefix + below,
            own_graph=own_graph,
            loops=frame.loops + loop,
            sources=[[source] for source in data],
        )

    # -- data flow ------------------------------------------------------------------------------

    def _resolve(self, frame: Frame, ref: str) -> dict[tuple[Frame, str], bool]:
        """The op outputs (or step arguments) a reference stands for, through calls and loops.

        The value says whether it comes from the last round of a loop that ``frame`` is in.
        """
        found: dict[tuple[Frame, str], bool] = {}
        seen: set[tuple[Frame, str]] = set()
        todo = [(frame, ref, False)]
        while todo:
            here, reference, back = todo.pop()
            if (here, reference) in seen:
                continue
            seen.add((here, reference))
            name, _, index = reference.rpartition(":")
            if name in here.argument and here.prefix:
                sources = self._argument_sources(here, here.argument[name])
                todo += [(*source, True) for source in sources[1:]]
                todo += [(*source, back) for source in sources[:1]]  # looked at first
            elif name in here.callees:
                sources = self._results(here, here.nodes[name], int(index))
                todo += [(*source, back) for source in sources]
            else:
                found[here, reference] = back
        self._count("edges", len(seen))
        return found

    def _argument_sources(self, frame: Frame, index: int) -> list[tuple[Frame, str]]:
        return frame.sources[index] if index < len(frame.sources) else []

    def _results(self, frame: Frame, node: RawNode, index: int) -> list[tuple[Frame, str]]:
        callees = frame.callees[node.name]
        if node.op in LOOPS:  # what the body leaves, or what came in if it never ran
            callees = [c for c in callees if c.part == "body"]
            data = data_inputs(node)
            initial = [(frame, data[index])] if index < len(data) else []
        else:
            initial = []
        return initial + [
            (callee, callee.function.results[index])
            for callee in callees
            if index < len(callee.function.results)
        ]

    def _live(self, main: Frame) -> set[tuple[Frame, str]]:
        """What the results and the nodes that must run depend on.

        The rest is placed with them and then pruned (by Grappler), so it never runs.
        """
        live: set[tuple[Frame, str]] = set()
        todo = [(main, ref.rpartition(":")[0]) for ref in main.function.results]
        todo += [(main, name) for name in main.function.control_results]
        while todo:
            frame, name = todo.pop()
            if (frame, name) in live or name not in frame.nodes:
                continue
            live.add((frame, name))
            if frame.prefix and name in frame.argument:
                sources = self._argument_sources(frame, frame.argument[name])
                todo.extend((f, r.rpartition(":")[0]) for f, r in sources)
                continue
            for ref in frame.nodes[name].inputs:
                todo.append((frame, ref[1:] if ref.startswith("^") else ref.rpartition(":")[0]))
            for callee in frame.callees.get(name, ()):
                results = [ref.rpartition(":")[0] for ref in callee.function.results]
                todo.extend((callee, n) for n in (*results, *callee.function.control_results))
        return live

    # -- ops ------------------------------------------------------------------------------------

    def _op(self, frame: Frame, node: RawNode, *, live: bool) -> OpNode:
        op_id = frame.prefix + node.name
        signature = self._signatures.get(node.op)
        data = data_inputs(node)
        dtypes, attrs = dict(node.dtypes), dict(node.attrs)
        inputs = _names(signature.inputs if signature else (), dtypes, attrs, len(data))
        outputs = _names(signature.outputs if signature else (), dtypes, attrs, len(node.outputs))
        return OpNode(
            id=op_id,
            op_type=node.op,
            layer_path=node.layer or frame.layer,
            role=node.role or frame.role or "forward",
            inputs=tuple(
                self._spec(frame, ref, name) for ref, name in zip(data, inputs, strict=True)
            ),
            outputs=tuple(
                TensorSpec(name, out.dtype, out.shape)
                for out, name in zip(node.outputs, outputs, strict=True)
            ),
            dtypes=node.dtypes,
            attrs=node.attrs,
            function=frame.function.name if frame.prefix else None,
            device=node.device or frame.device,
            placed_as=placed if (placed := frame.placed_prefix + node.name) != op_id else "",
            live=live,
            loops=frame.loops,
        )

    def _spec(self, frame: Frame, ref: str, name: str) -> TensorSpec:
        tensor = frame.tensor(ref)
        return TensorSpec(name, tensor.dtype, tensor.shape)

    def _edges(self, frame: Frame, node: RawNode, op_id: str) -> Iterator[Edge]:
        for position, ref in enumerate(data_inputs(node)):
            for (source, reference), back in self._resolve(frame, ref).items():
                name, _, index = reference.rpartition(":")
                if name in source.argument:
                    yield Edge(f"{ARGUMENT}{name}", 0, op_id, position)
                else:
                    yield Edge(f"{source.prefix}{name}", int(index), op_id, position, back)
        for ref in node.inputs:
            if ref.startswith("^") and ref[1:] not in frame.argument:
                for before in self._control(frame, ref[1:]):
                    yield Edge(before, -1, op_id, -1)

    def _control(self, frame: Frame, name: str) -> Iterator[str]:
        self._count("edges", 1)
        if name not in frame.callees:
            yield f"{frame.prefix}{name}"
            return
        for callee in frame.callees[name]:
            for inner in callee.function.control_results:
                yield from self._control(callee, inner)


def _names(
    arguments: Iterable[ArgDef],
    dtypes: Mapping[str, str | tuple[str, ...]],
    attrs: Mapping[str, AttrValue],
    count: int,
) -> list[str]:
    """One name a tensor: ``x``, or ``values[0]``, ``values[1]``, ... for a list."""
    names = list(islice(_argument_names(arguments, dtypes, attrs), count + 1))
    return names if len(names) == count else [f"tensor[{i}]" for i in range(count)]


def _argument_names(
    arguments: Iterable[ArgDef],
    dtypes: Mapping[str, str | tuple[str, ...]],
    attrs: Mapping[str, AttrValue],
) -> Iterator[str]:
    """As many as the attributes say, which may be any number."""
    for argument in arguments:
        if argument.number_attr:
            length = attrs.get(argument.number_attr)
            size = length if isinstance(length, int) else 0
        elif argument.type_list_attr:
            size = len(dtypes.get(argument.type_list_attr, ()))
        else:
            yield argument.name
            continue
        yield from (f"{argument.name}[{i}]" for i in range(size))
