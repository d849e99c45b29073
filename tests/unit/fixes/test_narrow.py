"""float64 by every name that a Keras gives it."""

from __future__ import annotations

import json

import msgspec
import pytest

from opcheck.fixes.narrow import narrowed
from opcheck.targets import resolve

METAL = resolve("metal@1.2.0")
KERAS2 = {"class_name": "Dense", "config": {"name": "float64", "dtype": "float64", "units": 3}}
KERAS3 = {
    "class_name": "Dense",
    "config": {
        "dtype": {
            "module": "keras",
            "class_name": "DTypePolicy",
            "config": {"name": "float64"},
            "registered_name": None,
        }
    },
}
CALL = {"args": [{"class_name": "__keras_tensor__", "config": {"dtype": "float64", "shape": [1]}}]}


@pytest.mark.parametrize(
    ("config", "path", "name"),
    [
        (KERAS2, ("config", "dtype"), "float64"),
        (KERAS3, ("config", "dtype", "config", "name"), None),
        (CALL, ("args", 0, "config", "dtype"), None),
    ],
)
def test_what_says_float64_says_float32(
    config: dict[str, object], path: tuple[object, ...], name: str | None
) -> None:
    text = narrowed(json.dumps(config), METAL)
    assert text is not None
    found = json.loads(text)
    assert found.get("config", {}).get("name") == name  # a layer may be called so
    for step in path:
        found = found[step]
    assert found == "float32"


def test_what_does_not_is_left_alone() -> None:
    assert narrowed(json.dumps({"config": {"dtype": "float32", "name": "float64"}}), METAL) is None


def test_an_accelerator_with_float64_is_left_alone() -> None:
    """TensorFlow's own CPU stands for one."""
    assert narrowed(json.dumps(KERAS2), msgspec.structs.replace(METAL, device_type="CPU")) is None
