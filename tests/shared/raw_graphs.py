"""Raw graphs, written out."""

from __future__ import annotations

from msgspec.structs import replace

from opcheck.graph import ArgDef, ModelGraph, OpSignature, flatten
from opcheck.graph.raw import RawFunction, RawGraph, RawNode, RawTensor

FLOAT = RawTensor("float32", (None, 3))
SIGNATURES = (
    OpSignature("AddV2", (ArgDef("x", type_attr="T"), ArgDef("y", type_attr="T"))),
    OpSignature("Pack", (ArgDef("values", type_attr="T", number_attr="N"),)),
)


def node(name: str, op: str, *inputs: str, outputs: int = 1, **extra: object) -> RawNode:
    fields = {"dtypes": (("T", "float32"),), "attrs": (), **extra}
    return RawNode(name, op, inputs, (FLOAT,) * outputs, **fields)  # type: ignore[arg-type]


def function(name: str, *nodes: RawNode, results: tuple[str, ...], **extra: object) -> RawFunction:
    arguments = tuple(n.name for n in nodes if n.op == "Placeholder")
    return RawFunction(name, nodes, arguments, results, **extra)  # type: ignore[arg-type]


def graph(
    main: RawFunction,
    *functions: RawFunction,
    device_type: str = "GPU",
    shape: tuple[int, ...] | None = None,
) -> ModelGraph:
    """Flattened; ``shape`` is that of every tensor."""
    if shape is not None:
        main, *functions = (_shaped(f, shape) for f in (main, *functions))  # type: ignore[assignment]
    raw = RawGraph(main, tuple(functions), SIGNATURES)
    return flatten(raw, name="step", device_type=device_type)


def _shaped(function: RawFunction, shape: tuple[int, ...]) -> RawFunction:
    nodes = tuple(
        replace(node, outputs=tuple(RawTensor(t.dtype, shape) for t in node.outputs))
        for node in function.nodes
    )
    return replace(function, nodes=nodes)
