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


def _narrow(value: Any) -> Any:
    if isinstance(value, list):
        return [_narrow(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = value.get("class_name") in _POLICIES and isinstance(value.get("config"), dict)
    changed = {
        key: NARROW if key in _DTYPES and item == WIDE else _narrow(item)
        for key, item in value.items()
    }
    if named and value["config"].get("name") == WIDE:
        changed["config"] = {**changed["config"], "name": NARROW}
    return changed
