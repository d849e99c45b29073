"""A float64 model in float32: neither Metal nor DirectML computes in 64 bits."""

from __future__ import annotations

import json
from typing import Any

from opcheck.targets import Target

NAME = "float32"
WIDE, NARROW = "float64", "float32"
_DTYPES = frozenset({"dtype", "compute_dtype", "variable_dtype"})
_POLICIES = frozenset({"DTypePolicy", "Policy"})


def narrowed(architecture: str, target: Target) -> str | None:
    """A model's config (JSON) with float32 wherever it says float64.

    ``None`` where it says so nowhere, or where the accelerator computes in float64.
    """
    if target.registry.match("MatMul", target.device_type, {"T": WIDE}) is not None:
        return None
    config = json.loads(architecture)
    changed = _narrow(config)
    return None if changed == config else json.dumps(changed)


def _narrow(value: Any, *, policy: bool = False) -> Any:
    """``policy``: it is the config of a dtype policy, whose name is the dtype."""
    if isinstance(value, list):
        return [_narrow(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_policy = value.get("class_name") in _POLICIES
    return {
        key: NARROW
        if item == WIDE and (key in _DTYPES or (policy and key == "name"))
        else _narrow(item, policy=is_policy and key == "config")
        for key, item in value.items()
    }
