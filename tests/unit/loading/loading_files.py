"""The fixture models, and small files made on the fly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[3] / "fixtures"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected_layers.json").read_text())

# Formats that name the layers. Keras 3 exports SavedModels without them.
NAMED_FORMATS = ("h5", "keras", "savedmodel", "bare")


def names_its_layers(record: dict[str, Any]) -> bool:
    exported = record["format"] in ("savedmodel", "bare") and record["keras"].startswith("3.")
    subclassed_archive = record["format"] == "keras" and record["model"] == "subclassed"
    plain = record["model"] == "tf_module"
    named = record["format"] in NAMED_FORMATS
    return named and not (exported or subclassed_archive or plain)


def has_config(record: dict[str, Any]) -> bool:
    return names_its_layers(record) and record["model"] != "subclassed"


def functional(*layers: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """A Keras 2 style config of a chain of layers, after an InputLayer."""
    names = ["input", *(item["config"]["name"] for item in layers)]
    first = layer("InputLayer", "input", batch_input_shape=[None, 4])
    chain = [{**first, "name": "input", "inbound_nodes": []}]
    for before, item in zip(names, layers, strict=False):
        name = item["config"]["name"]
        chain.append({**item, "name": name, "inbound_nodes": [[[before, 0, 0, {}]]]})
    config = {
        "name": "model",
        "layers": chain,
        "input_layers": [["input", 0, 0]],
        "output_layers": [[names[-1], 0, 0]],
        **extra,
    }
    return {"class_name": "Functional", "config": config}


def layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}
