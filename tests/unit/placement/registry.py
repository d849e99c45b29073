"""A small target, written out, so that every verdict can be followed by eye."""

from __future__ import annotations

from types import MappingProxyType

from opcheck.graph import ArgDef, Edge, ModelGraph, OpNode, OpSignature, TensorSpec
from opcheck.targets import KernelDef, KernelRegistry, Target

SIGNATURES = {
    "AddV2": OpSignature(
        "AddV2",
        (ArgDef("x", type_attr="T"), ArgDef("y", type_attr="T")),
        (ArgDef("z", type_attr="T"),),
    ),
    "Pack": OpSignature(
        "Pack",
        (ArgDef("values", type_attr="T", number_attr="N"),),
        (ArgDef("output", type_attr="T"),),
    ),
    "Reshape": OpSignature(
        "Reshape",
        (ArgDef("tensor", type_attr="T"), ArgDef("shape", type_attr="Tshape")),
        (ArgDef("output", type_attr="T"),),
    ),
    "Shape": OpSignature(
        "Shape", (ArgDef("input", type_attr="T"),), (ArgDef("output", type_attr="out_type"),)
    ),
    "Range": OpSignature(
        "Range",
        tuple(ArgDef(name, type_attr="Tidx") for name in ("start", "limit", "delta")),
        (ArgDef("output", type_attr="Tidx"),),
    ),
    "NotEqual": OpSignature(
        "NotEqual",
        (ArgDef("x", type_attr="T"), ArgDef("y", type_attr="T")),
        (ArgDef("z", dtype="bool"),),
    ),
    "Rank": OpSignature(
        "Rank", (ArgDef("input", type_attr="T"),), (ArgDef("output", dtype="int32"),)
    ),
    "EmptyTensorList": OpSignature(
        "EmptyTensorList",
        (ArgDef("element_shape", type_attr="shape_type"),),
        (ArgDef("handle", dtype="variant"),),
    ),
    "ResourceApplyAdam": OpSignature(
        "ResourceApplyAdam",
        (
            ArgDef("var", dtype="resource"),
            ArgDef("lr", type_attr="T"),
            ArgDef("grad", type_attr="T"),
        ),
    ),
}


def kernel(op: str, device: str, *, host: tuple[str, ...] = (), **types: str) -> KernelDef:
    constraints = tuple((attr, tuple(names.split())) for attr, names in types.items())
    origin = "core" if device in ("CPU", "DEFAULT") else "plugin"
    return KernelDef(op, device, constraints, host, 0, "", origin, ())  # type: ignore[arg-type]


def target(*kernels: KernelDef, without_kernels: str = "") -> Target:
    return Target(
        plugin="metal",
        version="9.9",
        arch="arm64",
        os_version="13",
        device_type="GPU",
        platform="METAL",
        tensorflow="2.18.1",
        tensorflow_supported=(),
        keras_major=3,
        optimizer_switches=(),
        registry=KernelRegistry(kernels),
        match="exact",
        provenance=(),
        distribution="tensorflow-metal",
        ops_without_kernels=frozenset(without_kernels.split()),
    )


def op(name: str, op_type: str, *, inputs: str = "", outputs: str = "float32", **more: object):
    types = {"T": (inputs or outputs).split()[0]} if inputs or outputs else {}
    types.update(more.pop("types", {}))  # type: ignore[call-overload]
    return OpNode(
        id=name,
        op_type=op_type,
        layer_path=more.pop("layer", None),  # type: ignore[arg-type]
        role="forward",
        inputs=tuple(TensorSpec(f"i{n}", dtype, ()) for n, dtype in enumerate(inputs.split())),
        outputs=tuple(TensorSpec(f"o{n}", dtype, ()) for n, dtype in enumerate(outputs.split())),
        dtypes=tuple(types.items()),
        **more,  # type: ignore[arg-type]
    )


def graph(ops: list[OpNode], edges: list[tuple[str, str]] = []) -> ModelGraph:  # noqa: B006
    """Edges go from output 0 to the consumer's next free input."""
    used: dict[str, int] = {}
    made = []
    for src, dst in edges:
        made.append(Edge(src, 0, dst, used.get(dst, 0)))
        used[dst] = used.get(dst, 0) + 1
    return ModelGraph("step", (), tuple(ops), tuple(made), MappingProxyType(SIGNATURES))
