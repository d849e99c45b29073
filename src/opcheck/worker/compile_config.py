"""Compiles a model with the loss, optimizer and metrics that its file stores (already safe)."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

from opcheck.worker.keras_api import KerasApi

# Keras 3 knows the short names as functions only and then cannot deserialize them.
_LONG_NAMES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "kld": "kl_divergence",
}


_COMMON = frozenset({"name", "clipnorm", "clipvalue", "global_clipnorm"})


def stores_an_optimizer(config: dict[str, Any]) -> bool:
    """Whether there is one of Keras' own, or of the user's: any other was taken out."""
    return config.get("optimizer_config", config.get("optimizer")) is not None


def compile_as_stored(
    model: Any, api: KerasApi, config: dict[str, Any], *, otherwise: str | None = None
) -> None:
    """``config`` is an HDF5 file's training_config or an archive's compile_config; ``otherwise``
    the name of the optimizer to take where it holds none.

    Metrics that this Keras cannot rebuild are left out; a loss or an optimizer that it cannot
    raises whatever Keras raises.
    """
    if not stores_an_optimizer(config):
        key = "optimizer_config" if "optimizer_config" in config else "optimizer"
        config = {**config, key: otherwise}
    if "optimizer_config" not in config:
        model.compile_from_config(config)
        return
    metrics = {}
    for key in ("metrics", "weighted_metrics"):
        try:
            metrics[key] = _rebuilt(config.get(key), api.module.metrics.deserialize)
        except Exception:  # whatever that version of Keras raises: they decide no placement
            metrics[key] = None
    model.compile(
        optimizer=_optimizer(api, config["optimizer_config"]),
        loss=_rebuilt(config.get("loss"), api.module.losses.deserialize),
        loss_weights=config.get("loss_weights"),
        **metrics,
    )


def _optimizer(api: KerasApi, config: dict[str, Any] | str) -> Any:
    """The optimizer; arguments that this version no longer has, or not yet, are left out."""
    optimizers = api.module.optimizers
    if isinstance(config, str):
        return optimizers.get(config)
    try:
        return optimizers.deserialize(copy.deepcopy(config))
    except (TypeError, ValueError):
        accepted = {
            *_COMMON,
            *inspect.signature(getattr(optimizers, config["class_name"])).parameters,
        }
        kept = {key: value for key, value in config["config"].items() if key in accepted}
        return optimizers.deserialize({**config, "config": kept})


def _rebuilt(value: Any, deserialize: Callable[[dict[str, Any]], Any]) -> Any:
    """Names stay names (``compile`` takes them), objects are rebuilt, the structure is kept."""
    if isinstance(value, str):
        return _LONG_NAMES.get(value, value)
    if isinstance(value, (list, tuple)):
        return [_rebuilt(item, deserialize) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {key: _rebuilt(item, deserialize) for key, item in value.items()}
    function = value.get("config", {}).get("fn")
    if value["class_name"] == "MeanMetricWrapper" and isinstance(function, str):
        return _LONG_NAMES.get(function, function)  # Keras 2: a metric given by name
    return deserialize(value)
