"""The table of FLOPs against counts by hand; tests/tf holds it against TensorFlow's profiler."""

from __future__ import annotations

from collections import Counter

import pytest

from opcheck.cost import op_cost
from opcheck.cost.formulas import FORMULAS
from opcheck.graph import OpNode, TensorSpec
from opcheck.graph.types import Shape


def node(
    op_type: str,
    inputs: tuple[Shape, ...],
    outputs: tuple[Shape, ...],
    names: tuple[str, ...] = (),
    **attrs: object,
) -> OpNode:
    named = names or tuple(f"in{i}" for i in range(len(inputs)))
    return OpNode(
        "op",
        op_type,
        None,
        "forward",
        tuple(TensorSpec(n, "float32", s) for n, s in zip(named, inputs, strict=True)),
        tuple(TensorSpec(f"out{i}", "float32", s) for i, s in enumerate(outputs)),
        (("T", "float32"),),
        tuple(attrs.items()),
    )


@pytest.mark.parametrize(
    ("op", "flops"),
    [
        (node("MatMul", ((2, 3), (3, 5)), ((2, 5),), transpose_a=False), 2 * 2 * 3 * 5),
        (node("MatMul", ((3, 2), (3, 5)), ((2, 5),), transpose_a=True), 2 * 2 * 3 * 5),
        (node("BatchMatMulV2", ((7, 2, 3), (7, 3, 5)), ((7, 2, 5),), adj_x=False), 7 * 60),
        (node("Conv2D", ((2, 8, 8, 3), (3, 3, 3, 16)), ((2, 4, 4, 16),)), 2 * 27 * 512),
        # two groups: a filter sees half of the 8 input channels
        (node("Conv2D", ((1, 4, 4, 8), (1, 1, 4, 8)), ((1, 4, 4, 8),)), 2 * 4 * 128),
        (
            node("Conv2DBackpropInput", ((4,), (3, 3, 3, 16), (2, 4, 4, 16)), ((2, 8, 8, 3),)),
            2 * 27 * 512,
        ),
        (
            node("Conv2DBackpropFilter", ((2, 8, 8, 3), (4,), (2, 4, 4, 16)), ((3, 3, 3, 16),)),
            2 * 27 * 512,
        ),
        (node("DepthwiseConv2dNative", ((1, 8, 8, 4), (3, 3, 4, 1)), ((1, 8, 8, 4),)), 18 * 256),
        (node("Einsum", ((2, 3, 4), (4, 5)), ((2, 3, 5),), equation="abc,cd->abd"), 240),
        (node("Einsum", ((2, 3, 4), (2, 5, 4)), ((2, 3, 5),), equation="...ij,...kj->...ik"), 240),
        (node("Einsum", ((2,), (3,)), ((2, 3),), equation="i,j->ij"), 6),
        (node("Einsum", ((2, 3),), ((2,),), equation="ij->i"), 4),
        (node("Sum", ((4, 8), (1,)), ((4,),)), 28),
        (node("MaxPool", ((1, 4, 4, 2),), ((1, 2, 2, 2),), ksize=(1, 2, 2, 1)), 32),
        (node("Relu", ((2, 8),), ((2, 8),)), 16),
        (node("Reshape", ((2, 8), (1,)), ((16,),)), 0),
        (
            node(
                "ResourceApplyGradientDescent", ((), (), (6,)), (), names=("var", "alpha", "delta")
            ),
            12,
        ),
        # one LSTM layer: 4 gates, 2 * hidden * (in + hidden) a step and example
        (
            node("CudnnRNNV3", ((10, 2, 3), (1, 2, 5)), ((10, 2, 5),), rnn_mode="lstm"),
            2 * 4 * 5 * (3 + 5) * 10 * 2,
        ),
    ],
    ids=lambda value: value.op_type if isinstance(value, OpNode) else "",
)
def test_flops(op: OpNode, flops: int) -> None:
    assert op_cost(op).flops == flops


@pytest.mark.parametrize(
    ("op", "why"),
    [
        (node("Relu", ((None, 8),), ((None, 8),)), "the shape of its tensor out0 is unknown"),
        (node("MatMul", (None, (3, 5)), ((2, 5),)), "the shape of its tensor in0 is unknown"),
        (node("FromAnotherWorld", ((2,),), ((2,),)), "no formula for FromAnotherWorld"),
        (node("Einsum", ((2, 3),), ((2,),)), "the formula for Einsum does not fit its tensors"),
    ],
)
def test_what_cannot_be_counted_is_not_nothing(op: OpNode, why: str) -> None:
    cost = op_cost(op)
    assert cost.flops is None
    assert cost.unknown == why


def test_bytes() -> None:
    cost = op_cost(node("AddV2", ((2, 8), (8,)), ((2, 8),)))
    assert (cost.bytes_in, cost.bytes_out, cost.bytes) == (4 * 24, 4 * 16, 4 * 40)


@pytest.mark.parametrize(
    ("op_type", "variables", "tensor", "read", "written", "flops"),
    [
        ("ResourceApplyAdam", "var m v", "grad", 120, 120, 120),
        ("ResourceApplyAdaMax", "var m v", "grad", 120, 120, 120),
        ("ResourceApplyAdamWithAmsgrad", "var m v vhat", "grad", 160, 160, 120),
        ("ResourceApplyAdadelta", "var accum accum_update", "grad", 120, 120, 120),
        ("ResourceApplyCenteredRMSProp", "var mg ms mom", "grad", 160, 160, 120),
        ("ResourceApplyFtrl", "var accum linear", "grad", 120, 120, 120),
        ("ResourceApplyKerasMomentum", "var accum", "grad", 80, 80, 40),
        ("ResourceApplyGradientDescent", "var", "delta", 40, 40, 20),
        ("ResourceSparseApplyAdagradV2", "var accum", "grad", 80, 80, 50),
        ("ResourceScatterSub", "resource", "updates", 40, 40, 10),
        ("ResourceScatterUpdate", "resource", "updates", 0, 40, 0),
        ("AssignAddVariableOp", "resource", "value", 40, 40, 10),
        ("AssignVariableOp", "resource", "value", 0, 40, 0),
        ("TensorArrayWriteV3", "handle", "value", 0, 0, 0),
    ],
)
def test_the_bytes_of_variables(
    op_type: str, variables: str, tensor: str, read: int, written: int, flops: int
) -> None:
    handles = (TensorSpec(name, "resource", ()) for name in variables.split())
    inputs = (*handles, TensorSpec(tensor, "float32", (10,)))
    cost = op_cost(OpNode("op", op_type, None, "optimizer", inputs, ()))
    assert (cost.bytes_in, cost.bytes_out, cost.flops) == (40 + read, written, flops)


def test_bytes_without_a_size_are_unknown() -> None:
    cost = op_cost(node("Identity", ((None, 8),), ((None, 8),)))
    assert (cost.bytes, cost.flops) == (None, 0)
    assert cost.unknown == "the size of its tensor in0 is unknown"


def test_no_op_has_two_formulas() -> None:
    found = Counter(op for formula in FORMULAS for op in formula.ops.split())
    assert [op for op, n in found.items() if n > 1] == []
