"""The ways of counting arithmetic operations that the table in formulas.py is made of.

Each takes an op whose shapes it needs are known and returns FLOPs; a multiply-add counts as two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, log2, prod

from opcheck.graph import AttrValue, OpNode, TensorSpec

Count = Callable[[OpNode], int]


class UncountableError(Exception):
    """The op cannot be counted; the message says why."""


def dims(tensor: TensorSpec) -> tuple[int, ...]:
    """The shape, when all of it is known."""
    known = tuple(size for size in tensor.shape or () if size is not None)
    if tensor.shape is None or len(known) != len(tensor.shape):
        raise UncountableError(f"the shape of its tensor {tensor.name} is unknown")
    return known


def length(tensor: TensorSpec) -> int:
    return prod(dims(tensor))


def attribute(op: OpNode, name: str) -> AttrValue:
    """``None`` when the op has no such attribute."""
    return dict(op.attrs).get(name)


def nothing(op: OpNode) -> int:  # noqa: ARG001
    return 0


def per_output(factor: int) -> Count:
    """``factor`` for each element of the first output."""
    return lambda op: factor * length(op.outputs[0])


def per_input(factor: int, index: int = 0) -> Count:
    """``factor`` for each element of input ``index``."""
    return lambda op: factor * length(op.inputs[index])


def per_named(factor: int, name: str) -> Count:
    """``factor`` for each element of the input called ``name``."""

    def count(op: OpNode) -> int:
        found = [length(tensor) for tensor in op.inputs if tensor.name == name]
        if not found:
            raise UncountableError(f"it has no input {name}")
        return factor * found[0]

    return count


def reduction(op: OpNode) -> int:
    """n inputs reduced to m outputs take n - m operations."""
    return max(length(op.inputs[0]) - length(op.outputs[0]), 0)


def sum_of_all(op: OpNode) -> int:
    """N tensors of n elements: (N - 1) n additions."""
    return (len(op.inputs) - 1) * length(op.outputs[0])


def products(op: OpNode) -> int:
    """MatMul and its batched forms: 2 m n k."""
    turned = any(attribute(op, name) is True for name in ("transpose_a", "adj_x"))
    inner = dims(op.inputs[0])[-2 if turned else -1]
    return 2 * inner * length(op.outputs[0])


def einsum(op: OpNode) -> int:
    """Two per point of the index space of two operands when an index is summed over, else one.

    A single operand is only summed: one per element that disappears.
    """
    sizes: dict[str, int] = {}
    text = str(attribute(op, "equation") or "")
    left, _, right = text.replace(" ", "").partition("->")
    for term, tensor in zip(left.split(","), op.inputs, strict=True):
        shape = dims(tensor)
        before, dots, after = term.partition("...")
        hidden = len(shape) - len(before) - len(after) if dots else 0
        broadcast = [f"...{hidden - axis}" for axis in range(hidden)]
        for label, count in zip([*before, *broadcast, *after], shape, strict=True):
            sizes[label] = max(sizes.get(label, 1), count)
    points = prod(sizes.values())
    if len(op.inputs) == 1:
        return max(points - length(op.outputs[0]), 0)
    summed = any(label not in right for label in sizes if not label.startswith("."))
    return points * (2 if summed else 1)


def convolution(op: OpNode) -> int:
    """Each output is a sum over the filter's window and input channels (of its group).

    ``filter`` is [spatial..., in channels / groups, out channels].
    """
    return 2 * prod(dims(op.inputs[1])[:-1]) * length(op.outputs[0])


def convolution_input_gradient(op: OpNode) -> int:
    """As many products as the convolution itself; ``out_backprop`` has its output's shape."""
    return 2 * prod(dims(op.inputs[1])[:-1]) * length(op.inputs[2])


def convolution_filter_gradient(op: OpNode) -> int:
    return 2 * prod(dims(op.outputs[0])[:-1]) * length(op.inputs[2])


def depthwise(op: OpNode) -> int:
    """``filter`` is [height, width, in channels, multiplier]; a channel sees only itself."""
    return 2 * prod(dims(op.inputs[1])[:2]) * length(op.outputs[0])


def depthwise_input_gradient(op: OpNode) -> int:
    return 2 * prod(dims(op.inputs[1])[:2]) * length(op.inputs[2])


def depthwise_filter_gradient(op: OpNode) -> int:
    return 2 * prod(dims(op.outputs[0])[:2]) * length(op.inputs[2])


def _window(op: OpNode) -> int:
    sizes = attribute(op, "ksize")
    if not isinstance(sizes, tuple):
        raise UncountableError("its window is an input")
    return prod(size for size in sizes if isinstance(size, int))


def pooling(op: OpNode) -> int:
    return _window(op) * length(op.outputs[0])


def average_pool_gradient(op: OpNode) -> int:
    """Each element of the window times a coefficient, then added."""
    return 2 * _window(op) * length(op.inputs[1])


def max_pool_gradient(op: OpNode) -> int:
    """The pooling again, then one addition an output."""
    return (_window(op) + 1) * length(op.inputs[1])


def square_of_all(op: OpNode) -> int:
    return 3 * length(op.inputs[0]) - 1


def batch_norm(op: OpNode) -> int:
    """Inference: scale and shift. Training: mean 1, variance 3, scale and shift 2."""
    return (2 if attribute(op, "is_training") is False else 6) * length(op.inputs[0])


_GATES: Mapping[str, int] = {"lstm": 4, "gru": 3, "rnn_relu": 1, "rnn_tanh": 1}


def recurrent(op: OpNode) -> int:
    """The matrix products of CudnnRNN, 2 gates hidden (in + hidden) a step and example.

    ``input`` is [time, batch, in], ``input_h`` [layers * directions, batch, hidden]. Layers above
    the first take what all directions leave.
    """
    time, batch, width = dims(op.inputs[0])
    stacked, _, hidden = dims(op.inputs[1])
    gates = _GATES[str(attribute(op, "rnn_mode") or "lstm")]
    directions = 2 if attribute(op, "direction") == "bidirectional" else 1
    layers = stacked // directions
    inner = (width + hidden) + (layers - 1) * (directions * hidden + hidden)
    return 2 * gates * hidden * inner * directions * time * batch


def recurrent_gradient(op: OpNode) -> int:
    """Both gradients, of the data and of the weights, cost as much as the forward pass."""
    return 2 * recurrent(op)


def fourier(op: OpNode) -> int:
    """5 n log2 n, the convention of the field (fftw.org/speed)."""
    shape = dims(op.inputs[0])
    rank = 3 if "3D" in op.op_type else 2 if "2D" in op.op_type else 1
    points = prod(shape[-rank:])
    return ceil(5 * length(op.inputs[0]) * log2(max(points, 2)))


def sorting(op: OpNode) -> int:
    """n log2 n comparisons along the last axis."""
    n = dims(op.inputs[0])[-1]
    return ceil(length(op.inputs[0]) * log2(max(n, 2)))


def cubic(numerator: int, denominator: int) -> Count:
    """A decomposition of n x n matrices: a fraction of n^3 each."""

    def count(op: OpNode) -> int:
        shape = dims(op.inputs[0])
        return prod(shape[:-2]) * numerator * max(shape[-2:]) * min(shape[-2:]) ** 2 // denominator

    return count
