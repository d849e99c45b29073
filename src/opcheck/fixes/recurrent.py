"""Recurrent layers: on the fused path where it exists, off it where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opcheck.fixes.rewrite import Rewrite, Toolkit, copied

_FUSED = ("CudnnRNN", "CudnnRNNV2", "CudnnRNNV3")
_CELLS = {"LSTM": "LSTMCell", "GRU": "GRUCell"}
_OF_THE_LOOP = (
    "go_backwards",
    "name",
    "return_sequences",
    "return_state",
    "stateful",
    "time_major",
    "unroll",
)


def off_the_fused_path(class_name: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The arguments of an LSTM or a GRU, by layer or by cell, that rule the fused kernel out.

    Source: keras/layers/rnn/{lstm,gru}.py (Keras 2: ``_could_use_gpu_kernel``) and
    keras/src/backend/tensorflow/rnn.py (Keras 3: ``cudnn_ok``).
    """
    wanted: dict[str, tuple[object, ...]] = {
        "activation": ("tanh",),
        "recurrent_activation": ("sigmoid",),
        "recurrent_dropout": (0, 0.0, None),
        "unroll": (False, None),
        "use_bias": (True, None),
    }
    if class_name.startswith("GRU"):
        wanted["reset_after"] = (True, None)
    return tuple(key for key, fine in wanted.items() if config.get(key, fine[0]) not in fine)


class UnfusedRecurrent(Rewrite):
    """LSTM and GRU as ``RNN(LSTMCell)``, which never asks for the fused kernel."""

    name = "recurrent-by-cell"
    classes = frozenset({"Bidirectional", *_CELLS})
    cures = (*_FUSED, *(f"CudnnRNNBackprop{version}" for version in ("", "V2", "V3")))
    advice = (
        "Use keras.layers.RNN(keras.layers.LSTMCell(units)) (or GRUCell), which does not ask for "
        "the fused kernel; it takes the weights as they are."
    )
    masked = True

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:  # noqa: ARG002
        if class_name == "Bidirectional":
            inner = config.get("layer") or {}
            class_name, config = str(inner.get("class_name")), inner.get("config") or {}
        return class_name in _CELLS and not off_the_fused_path(class_name, config)

    def helps(self, target: Any) -> bool:
        """Where the fused kernel is nowhere: a layer that asks for it fails."""
        return not any(target.registry.has_op(op, target.device_type) for op in _FUSED)

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        if type(layer).__name__ == "Bidirectional":
            new = keras.layers.Bidirectional(
                _by_cell(layer.forward_layer, keras),
                merge_mode=layer.merge_mode,
                backward_layer=_by_cell(layer.backward_layer, keras),
                name=layer.name,
                trainable=layer.trainable,
            )
        else:
            new = _by_cell(layer, keras)
        output = new(*args, **kwargs)
        new.set_weights(layer.get_weights())
        return output


def _by_cell(layer: Any, keras: Toolkit) -> Any:
    config = layer.get_config()
    cell = getattr(keras.layers, _CELLS[type(layer).__name__])
    known = cell(1).get_config().keys()
    of_cell = {key: value for key, value in config.items() if key in known and key != "name"}
    of_loop = {key: config[key] for key in _OF_THE_LOOP if key in config}
    return keras.layers.RNN(
        cell(**of_cell), dtype=config["dtype"], trainable=layer.trainable, **of_loop
    )


class FusedRecurrent(Rewrite):
    """``RNN(LSTMCell)`` and unrolled layers as LSTM and GRU, which take the fused kernel."""

    name = "recurrent-fused"
    classes = frozenset({"RNN", *_CELLS})
    general = False
    cures = ("TensorListFromTensor", "TensorListStack", "Unpack")
    needs = ("CudnnRNNV3",)
    advice = (
        "Use keras.layers.LSTM or GRU with activation tanh, recurrent_activation sigmoid, "
        "recurrent_dropout 0, unroll False, use_bias True (and reset_after True for a GRU): only "
        "then Keras takes the fused kernel, which runs there."
    )
    masked = True

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:  # noqa: ARG002
        if class_name in _CELLS:
            return off_the_fused_path(class_name, config) == ("unroll",)
        cell = config.get("cell") or {}
        of_cell = cell.get("config") or {}
        return (
            class_name == "RNN"
            and cell.get("class_name") in _CELLS.values()
            and not off_the_fused_path(cell["class_name"], of_cell)
        )

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        if type(layer).__name__ in _CELLS:
            new = copied(layer, unroll=False)
        else:
            cell, config = layer.cell.get_config(), layer.get_config()
            kind = getattr(keras.layers, type(layer.cell).__name__.removesuffix("Cell"))
            of_loop = {key: config[key] for key in _OF_THE_LOOP if key in config}
            known = {key: v for key, v in cell.items() if key not in ("name", "dtype")}
            # Keras 3 trains what is inside of a layer that is itself not trainable.
            trained = layer.cell.trainable and (layer.trainable or keras.major >= 3)
            changed = {"unroll": False, "trainable": trained}
            new = kind(**{**known, **of_loop, **changed}, dtype=config["dtype"])
        output = new(*args, **kwargs)
        new.set_weights(layer.get_weights())
        return output
