"""Activations that have an op of their own, written with ops that accelerators have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opcheck.fixes.rewrite import Rewrite, Toolkit, copied, only_tensor

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # keras/activations

Function = Callable[[Any, Toolkit, Mapping[str, Any]], Any]


def _elu(x: Any, keras: Toolkit, config: Mapping[str, Any]) -> Any:
    ops = keras.ops
    return ops.relu(x) + config.get("alpha", 1.0) * (ops.exp(-ops.relu(-x)) - 1.0)


def _selu(x: Any, keras: Toolkit, _: Mapping[str, Any]) -> Any:
    return _SELU_SCALE * _elu(x, keras, {"alpha": _SELU_ALPHA})


def _softplus(x: Any, keras: Toolkit, _: Mapping[str, Any]) -> Any:
    ops = keras.ops
    return ops.relu(x) + ops.log1p(ops.exp(-ops.abs(x)))


def _softsign(x: Any, keras: Toolkit, _: Mapping[str, Any]) -> Any:
    return x / (keras.ops.abs(x) + 1.0)


def _mish(x: Any, keras: Toolkit, config: Mapping[str, Any]) -> Any:
    return x * keras.ops.tanh(_softplus(x, keras, config))


def _log_sigmoid(x: Any, keras: Toolkit, config: Mapping[str, Any]) -> Any:
    return -_softplus(-x, keras, config)


class Activation(Rewrite):
    """One activation, as an argument of a layer or as a layer of its own (``alone``)."""

    def __init__(
        self,
        activation: str,
        function: Function,
        cures: tuple[str, ...],
        needs: tuple[str, ...],
        formula: str,
        *,
        alone: tuple[str, ...] = (),
    ) -> None:
        self.name = f"{activation}-by-primitives"  # type: ignore[misc]
        self.classes = _WITH_ACTIVATION.union(alone)  # type: ignore[misc]
        self.cures = cures  # type: ignore[misc]
        self.needs = needs  # type: ignore[misc]
        self.advice = f"Write {activation}(x) as {formula}; those ops run there."  # type: ignore[misc]
        self._activation = activation
        self._function = function
        self._alone = alone

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:  # noqa: ARG002
        if class_name in self._alone:
            return True
        return class_name in _WITH_ACTIVATION and config.get("activation") == self._activation

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        x = only_tensor(args, kwargs)
        config = layer.get_config()
        if type(layer).__name__ not in (*self._alone, "Activation"):
            linear = copied(layer, activation="linear")
            linear.build(x.shape)
            linear.set_weights(layer.get_weights())
            x = keras.call(linear, x)
        return self._function(x, keras, config)


_WITH_ACTIVATION = frozenset(
    {
        "Activation",
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "Dense",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "EinsumDense",
        "SeparableConv1D",
        "SeparableConv2D",
    }
)
"""Layers that apply their ``activation`` last, to what they would give without."""

ACTIVATIONS = (
    Activation(
        "elu",
        _elu,
        ("Elu", "EluGrad"),
        ("Relu", "Exp", "Neg"),
        "relu(x) + exp(-relu(-x)) - 1",
        alone=("ELU",),
    ),
    Activation(
        "selu",
        _selu,
        ("Selu", "SeluGrad"),
        ("Relu", "Exp", "Neg", "Mul"),
        "1.05070 * (relu(x) + 1.67326 * (exp(-relu(-x)) - 1))",
    ),
    Activation("celu", _elu, ("Expm1",), ("Relu", "Exp", "Neg"), "relu(x) + exp(-relu(-x)) - 1"),
    Activation(
        "softplus",
        _softplus,
        ("Softplus",),
        ("Relu", "Exp", "Abs", "Log1p"),
        "relu(x) + log1p(exp(-abs(x)))",
    ),
    Activation(
        "softsign",
        _softsign,
        ("Softsign", "SoftsignGrad"),
        ("Abs", "RealDiv"),
        "x / (1 + abs(x))",
    ),
    Activation(
        "mish",
        _mish,
        ("Softplus",),
        ("Relu", "Exp", "Abs", "Log1p", "Tanh"),
        "x * tanh(relu(x) + log1p(exp(-abs(x))))",
    ),
    Activation(
        "log_sigmoid",
        _log_sigmoid,
        ("Softplus",),
        ("Relu", "Exp", "Abs", "Log1p"),
        "-(relu(-x) + log1p(exp(-abs(x))))",
    ),
)
