"""Verdicts and their reasons, each rule of the placer on its own."""

from __future__ import annotations

import msgspec
import pytest

from opcheck.graph import ARGUMENT, ModelGraph, OpNode, TensorSpec
from opcheck.placement import Placement, predict
from opcheck.placement.limits import limits
from opcheck.targets import Target, resolve

from .registry import graph, kernel, op, target

ADD = [kernel("AddV2", "GPU", T="float32"), kernel("AddV2", "CPU", T="float32 int64 float64")]


def only(model: ModelGraph, on: Target, **more: dict[str, str]) -> Placement:
    (placement,) = predict(model, on, **more)
    return placement


def verdicts(model: ModelGraph, on: Target) -> dict[str, tuple[str, str]]:
    return {p.op_id: (p.verdict, p.reason.code) for p in predict(model, on)}


def test_a_matching_kernel_of_the_plugin() -> None:
    found = only(graph([op("add", "AddV2", inputs="float32 float32")]), target(*ADD))
    assert (found.verdict, found.evidence, found.reason.code) == (
        "accelerator",
        "predicted",
        "kernel",
    )
    assert found.reason.message == "tensorflow-metal 9.9 registers AddV2 with T=float32"


def test_a_device_generic_kernel_of_core() -> None:
    generic = kernel("Identity", "DEFAULT", T="float32")
    found = only(graph([op("id", "Identity", inputs="float32")]), target(generic))
    assert (found.verdict, found.reason.message) == (
        "accelerator",
        "TensorFlow 2.18.1 registers Identity with T=float32",
    )


def test_another_dtype_names_what_is_registered() -> None:
    found = only(graph([op("add", "AddV2", inputs="int64 int64", outputs="int64")]), target(*ADD))
    assert (found.verdict, found.reason.code) == ("cpu", "dtype")
    assert found.reason.message == (
        "AddV2 with T=int64: tensorflow-metal 9.9 registers AddV2 for float32"
    )


@pytest.mark.parametrize(
    ("op_type", "types", "instead", "message"),
    [
        (
            "AddV2",
            {"T": "int64"},
            (("T", ("float32", "float16", "bfloat16")),),  # int32 is in host memory
            "AddV2 with T=int64: tensorflow-metal 1.2.0 registers AddV2 for float32, float16, "
            "bfloat16",
        ),
        (
            "ArgMax",
            {"T": "float32", "Tidx": "int32", "output_type": "int64"},
            (("output_type", ("int32",)),),
            "ArgMax with output_type=int64: tensorflow-metal 1.2.0 registers ArgMax for int32",
        ),
        (
            "ArgMax",
            {"T": "float64", "Tidx": "int32", "output_type": "int64"},
            (),  # neither alone is at fault
            "tensorflow-metal 1.2.0 registers ArgMax, but not for ArgMax with T=float64, "
            "Tidx=int32, output_type=int64",
        ),
        (
            "VarHandleOp",
            {"dtype": "qint16"},
            None,
            "VarHandleOp with dtype=qint16: TensorFlow 2.18.1 registers VarHandleOp for float32, "
            "float16, bfloat16, float64, bool, complex128, complex64, int16 and 9 more",
        ),
    ],
)
def test_the_types_that_would_help(
    op_type: str, types: dict[str, str], instead: object, message: str
) -> None:
    found = only(graph([op("a", op_type, types=types)]), resolve("metal@1.2.0"))
    assert (found.verdict, found.reason.code, found.reason.message) == ("cpu", "dtype", message)
    assert instead is None or found.instead == instead


def test_kernels_in_host_memory_are_none_to_cast_for() -> None:
    on = target(
        kernel("Pack", "DEFAULT", host=("values", "output"), T="int32"), kernel("Pack", "CPU")
    )
    found = only(graph([op("pack", "Pack", inputs="float32 float32")]), on)
    assert (found.reason.code, found.reason.message, found.instead) == (
        "no-kernel",
        "tensorflow-metal 9.9 registers no Pack that computes on the GPU",
        (),
    )


def test_no_kernel_on_the_accelerator() -> None:
    found = only(
        graph([op("e", "Einsum", inputs="float32")]), target(kernel("Einsum", "CPU", T="float32"))
    )
    assert (found.verdict, found.reason.code, found.reason.message) == (
        "cpu",
        "no-kernel",
        "tensorflow-metal 9.9 registers no Einsum",
    )


def test_no_kernel_anywhere_fails() -> None:
    on = target(without_kernels="CudnnRNN")
    found = only(graph([op("rnn", "CudnnRNN", inputs="float32")]), on)
    assert (found.verdict, found.reason.code) == ("fails", "no-kernel-anywhere")


def test_an_op_nobody_knows_is_not_called_a_failure() -> None:
    found = only(graph([op("my", "MyOp", inputs="float32")]), target(*ADD))
    assert (found.verdict, found.reason.code) == ("unknown", "unknown-op")


def test_an_xla_call_fails_without_a_compiler() -> None:
    call = op("call", "PartitionedCall", inputs="float32", attrs=(("_XlaMustCompile", True),))
    found = only(graph([call]), target(kernel("PartitionedCall", "DEFAULT")))
    assert (found.verdict, found.reason.code) == ("fails", "no-xla")
    assert "METAL has no XLA compiler" in found.reason.message


def test_a_layer_that_was_not_rebuilt_is_unknown() -> None:
    model = graph([op("add", "AddV2", inputs="float32 float32", layer="mine")])
    found = only(model, target(*ADD), opaque={"mine": "mine is custom and was not run"})
    assert (found.verdict, found.reason.code, found.reason.message) == (
        "unknown",
        "opaque",
        "mine is custom and was not run",
    )


def test_a_shared_variable_keeps_its_ops_together() -> None:
    """The gradient update has no kernel, so the forward read of the same variable moves with it."""
    on = target(
        kernel("ReadVariableOp", "DEFAULT"),
        kernel("ReadVariableOp", "CPU"),
        kernel("ResourceSparseApplyAdam", "CPU"),
    )
    model = graph(
        [
            op("read", "ReadVariableOp", inputs="resource"),
            op("update", "ResourceSparseApplyAdam", inputs="resource", outputs=""),
            op("other", "ReadVariableOp", inputs="resource"),
        ],
        [(f"{ARGUMENT}kernel", "read"), (f"{ARGUMENT}kernel", "update"), (f"{ARGUMENT}b", "other")],
    )
    assert verdicts(model, on) == {
        "read": ("cpu", "colocated"),
        "update": ("cpu", "no-kernel"),
        "other": ("accelerator", "kernel"),
    }
    message = predict(model, on)[0].reason.message
    assert message == (
        "colocated with ResourceSparseApplyAdam, and tensorflow-metal 9.9 registers no "
        "ResourceSparseApplyAdam"
    )


def test_colocation_by_name() -> None:
    on = target(*ADD, kernel("Neg", "GPU", T="float32"), kernel("Neg", "CPU", T="float32"))
    model = graph(
        [
            op("add", "AddV2", inputs="int64 int64", outputs="int64"),
            op("neg", "Neg", inputs="float32", attrs=(("_class", ("loc:@add",)),)),
        ]
    )
    assert verdicts(model, on)["neg"] == ("cpu", "colocated")


def test_a_device_scope_of_the_model() -> None:
    asked = op("add", "AddV2", inputs="float32 float32", device="/device:CPU:0")
    found = only(graph([asked]), target(*ADD))
    assert (found.verdict, found.reason.code) == ("cpu", "asked-for")


def test_a_variable_in_a_device_scope_takes_its_ops_along() -> None:
    on = target(
        *(
            kernel(name, device)
            for name in ("VarHandleOp", "ReadVariableOp", "ResourceApplyAdam")
            for device in ("GPU", "CPU")
        )
    )
    model = graph(
        [
            op("v", "VarHandleOp", outputs="resource", device="/device:CPU:0"),
            op("read", "ReadVariableOp", inputs="resource"),
            op("update", "ResourceApplyAdam", inputs="resource", outputs=""),
        ],
        [("v", "read"), ("v", "update")],
    )
    assert verdicts(model, on) == {
        "v": ("cpu", "asked-for"),
        "read": ("cpu", "colocated"),
        "update": ("cpu", "colocated"),
    }
    assert predict(model, on)[2].reason.message == (
        "colocated with VarHandleOp, and the model puts VarHandleOp on the CPU itself (tf.device)"
    )


def test_colocation_by_name_with_a_device_scope() -> None:
    model = graph(
        [
            op("asked", "AddV2", inputs="float32 float32", device="/device:CPU:0"),
            op("add", "AddV2", inputs="float32 float32", attrs=(("_class", ("loc:@asked",)),)),
        ]
    )
    assert verdicts(model, target(*ADD)) == {
        "asked": ("cpu", "asked-for"),
        "add": ("cpu", "colocated"),
    }


def test_a_shape_follows_its_input() -> None:
    on = target(*ADD, kernel("Shape", "GPU", host=("output",)), kernel("Shape", "CPU"))
    model = graph(
        [
            op("add", "AddV2", inputs="int64 int64", outputs="int64"),
            op("shape", "Shape", inputs="int64", outputs="int32"),
        ],
        [("add", "shape")],
    )
    assert verdicts(model, on)["shape"] == ("cpu", "placer-heuristic")


def test_a_constant_follows_its_only_kind_of_consumer() -> None:
    const = [kernel("Const", "GPU", T="float32"), kernel("Const", "CPU")]
    on = target(*ADD, *const)
    ops = [
        op("c", "Const", outputs="float32"),
        op("lost", "AddV2", inputs="float64 float64", outputs="float64"),
        op("add", "AddV2", inputs="float32 float32"),
    ]
    assert verdicts(graph(ops, [("c", "lost")]), on)["c"] == ("cpu", "placer-heuristic")
    both = graph(ops, [("c", "lost"), ("c", "add")])
    assert verdicts(both, on)["c"] == ("accelerator", "kernel")


@pytest.mark.parametrize(
    ("op_type", "host", "inputs", "outputs", "verdict"),
    [
        ("Pack", "values output", "float32", "float32", "host-pinned"),
        ("Range", "start limit delta output", "int32", "int32", "host-pinned"),
        ("NotEqual", "x y z", "int32 int32", "bool", "host-pinned"),
        ("NotEqual", "z", "int32 int32", "bool", "accelerator"),
        # Only a shape or a learning rate is there, only a shape is looked at, or it is a handle.
        ("Reshape", "shape", "float32 int32", "float32", "accelerator"),
        ("ResourceApplyAdam", "var lr", "resource float32 float32", "", "accelerator"),
        ("Shape", "output", "float32", "int32", "accelerator"),
        ("Rank", "input output", "int32", "int32", "accelerator"),
        ("EmptyTensorList", "element_shape handle", "int32", "variant", "accelerator"),
    ],
)
def test_data_in_host_memory_is_not_on_the_accelerator(
    op_type: str, host: str, inputs: str, outputs: str, verdict: str
) -> None:
    on = target(kernel(op_type, "DEFAULT", host=tuple(host.split())))
    found = only(graph([op("a", op_type, inputs=inputs, outputs=outputs)]), on)
    assert found.verdict == verdict


STATELESS = op("r", "StatelessRandomUniformV2", types={"Tshape": "int32", "dtype": "float32"})


@pytest.mark.parametrize(
    ("target", "node", "ends"),
    [
        ("metal@1.2.0,macos=12", STATELESS, "; it does on macOS 13 or newer"),
        (
            "metal@0.6.0",
            STATELESS,
            "no StatelessRandomUniformV2 (versions that do: 0.7.0 and later on macOS 13 or newer)",
        ),
        (
            "metal@0.3.0,arch=x86_64,macos=11",
            op("p", "MirrorPad", types={"T": "float32", "Tpaddings": "int32"}),
            "; it does on macOS 12 or newer",
        ),
        (
            "metal@0.6.0",
            op("a", "Abs", types={"T": "float16"}),
            "(versions that do: 0.5.1, 0.8.0 and later)",
        ),
        (
            "directml@0.3.0",
            op("f", "_FusedConv2D", types={"T": "float16"}),
            "none on the CPU (versions that do: 0.4.0)",
        ),
    ],
)
def test_other_versions_of_the_plugin_are_named(target: str, node: OpNode, ends: str) -> None:
    assert only(graph([node]), resolve(target)).reason.message.endswith(ends)


def shaped(op_type: str, rank: int | None, **attrs: object) -> ModelGraph:
    shape = None if rank is None else (2,) * rank
    node = op("a", op_type, inputs="float32 int32", types={"T": "float32"})
    first = msgspec.structs.replace(node.inputs[0], shape=shape)
    return graph(
        [msgspec.structs.replace(node, inputs=(first, node.inputs[1]), attrs=tuple(attrs.items()))]
    )


@pytest.mark.parametrize(
    ("op_type", "rank", "attrs", "verdict"),
    [
        ("Pad", 6, {}, "accelerator"),
        ("Pad", 7, {}, "fails"),
        ("Pad", None, {}, "unknown"),
        ("MirrorPadGrad", 6, {}, "fails"),
        ("ReverseV2", 5, {}, "accelerator"),
        ("ReverseV2", 6, {}, "fails"),
        ("MaxPool", 4, {"ksize": (1, 2, 2, 1)}, "accelerator"),
        ("MaxPool", 4, {"ksize": (1, 1, 1, 2)}, "fails"),
        ("MaxPool", 4, {"ksize": (1, 1, 2, 2), "data_format": "NCHW"}, "accelerator"),
        ("MaxPool3D", 5, {"ksize": (1, 2, 2, 2, 1)}, "accelerator"),
        ("Conv2D", 4, {"strides": (1, 2, 2, 1), "dilations": (1, 1, 1, 1)}, "accelerator"),
        ("Conv2D", 4, {"strides": (1, 1, 1, 2), "dilations": (1, 1, 1, 1)}, "fails"),
        ("Conv2D", 4, {"strides": (1, 1, 1, 1), "dilations": (2, 1, 1, 1)}, "fails"),
    ],
)
def test_limits_of_directml(
    op_type: str, rank: int | None, attrs: dict[str, object], verdict: str
) -> None:
    on = msgspec.structs.replace(target(kernel(op_type, "GPU", T="float32")), plugin="directml")
    found = only(shaped(op_type, rank, **attrs), on)
    assert found.verdict == verdict
    assert (found.reason.code == "runtime-limit") == (verdict != "accelerator")
    metal = target(kernel(op_type, "GPU", T="float32"))
    assert only(shaped(op_type, rank, **attrs), metal).verdict == "accelerator"


def test_a_limit_ends_with_the_version_that_lifts_it() -> None:
    model = shaped("FusedBatchNormV3", 4, exponential_avg_factor=0.01)
    on = target(kernel("FusedBatchNormV3", "GPU", T="float32"))
    verdict = {
        version: only(
            model, msgspec.structs.replace(on, plugin="directml", version=version)
        ).verdict
        for version in ("0.0.1.dev220621", "0.1.1", "0.2.0", "0.4.0", "unknown")
    }
    assert verdict == {
        "0.0.1.dev220621": "fails",
        "0.1.1": "fails",
        "0.2.0": "accelerator",
        "0.4.0": "accelerator",
        "unknown": "accelerator",
    }


@pytest.mark.parametrize(
    ("shape", "filters", "version", "verdict"),
    [
        ((2, 8, 8, 6), (3, 3, 6, 4), "0.3.0", "accelerator"),
        ((2, 8, 8, 6), (3, 3, 2, 6), "0.3.0", "fails"),
        ((2, 8, 8, 6), (3, 3, 2, 6), "0.4.0", "accelerator"),
        ((2, 8, 8, None), (3, 3, 2, 6), "0.3.0", "unknown"),
    ],
)
def test_the_gradient_of_a_grouped_filter(
    shape: tuple[int, ...], filters: tuple[int, ...], version: str, verdict: str
) -> None:
    on = target(kernel("Conv2DBackpropFilter", "GPU", T="float32"))
    on = msgspec.structs.replace(on, plugin="directml", version=version)
    node = msgspec.structs.replace(
        op("a", "Conv2DBackpropFilter", inputs="float32 int32 float32"),
        inputs=(TensorSpec("input", "float32", shape),),
        outputs=(TensorSpec("output", "float32", filters),),
    )
    assert only(graph([node]), on).verdict == verdict


def test_a_library_without_a_version_has_the_limits_of_the_newest() -> None:
    newest = msgspec.structs.replace(target(), plugin="directml", version="0.4.0")
    assert limits(msgspec.structs.replace(newest, version="unknown")) == limits(newest)


def test_every_limit_has_a_source() -> None:
    every = [
        limit
        for version in ("0.0.1", "0.4.0")
        for those in limits(
            msgspec.structs.replace(target(), plugin="directml", version=version)
        ).values()
        for limit in those
    ]
    assert len(every) > 10
    assert all(limit.source and limit.says for limit in every)


def test_without_soft_placement_what_is_asked_for_by_name_fails() -> None:
    on = target(kernel("Einsum", "CPU", T="float32"), *ADD)
    free = op("free", "Einsum", inputs="float32")
    named = op("named", "Einsum", inputs="float32", device="/device:GPU:0")
    tied = op("tied", "Einsum", inputs="float32", attrs=(("_class", ("loc:@anchor",)),))
    anchor = op("anchor", "AddV2", inputs="float32 float32", device="/device:GPU:0")
    model = graph([free, named, tied, anchor])
    soft = {p.op_id: p.verdict for p in predict(model, on)}
    assert soft == {"free": "cpu", "named": "cpu", "tied": "cpu", "anchor": "cpu"}
    hard = {p.op_id: (p.verdict, p.reason.code) for p in predict(model, on, soft_placement=False)}
    assert hard == {
        "free": ("cpu", "no-kernel"),
        "named": ("fails", "no-soft-placement"),
        "tied": ("fails", "no-soft-placement"),
        "anchor": ("fails", "no-soft-placement"),
    }
