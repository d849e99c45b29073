"""The config of each layer in a model's stored architecture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from opcheck.loading import configs
from opcheck.loading.jsontree import JsonObject

LayerConfig = tuple[str, JsonObject]
"""Class name and config."""


def layer_configs(architecture: str | None) -> Mapping[str, LayerConfig]:
    """By layer path; empty for a model that has no architecture stored, such as a factory's."""
    return dict(_below(json.loads(architecture), None)) if architecture else {}


def _below(layer: JsonObject, path: str | None) -> Iterator[tuple[str, LayerConfig]]:
    for child in configs.children(layer):
        below = configs.child_path(path, child)
        yield below, (configs.class_name(child.layer), configs.config(child.layer))
        yield from _below(child.layer, below)
