"""What is said of the model file, in a check's text and in an inspection's."""

from __future__ import annotations

from collections import Counter

from opcheck.formats.escape import printable
from opcheck.formats.numbers import count
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph, table
from opcheck.graph import LayerNode
from opcheck.loading.types import Hazard
from opcheck.report import Model

_FORMATS = {
    "hdf5": "HDF5",
    "keras": ".keras archive",
    "savedmodel": "SavedModel",
    "frozen-graph": "frozen graph",
    "factory": "made by code",
    "live": "a live model",
}
_ORDINARY = ("builtin", "wrapper")


def headline(model: Model) -> str:
    """``model.h5 · HDF5 · written by Keras 2.15.0 · sha256 0123456789ab · 14 layers``."""
    parts = [printable(model.path), _FORMATS[model.format]]
    if model.keras_version:
        by = "of" if model.format == "live" else "written by"
        parts.append(f"{by} Keras {printable(model.keras_version)}")
    elif model.format != "factory":
        parts.append("no Keras version in it")
    if model.sha256:
        parts.append(f"sha256 {printable(model.sha256[:12])}")
    kinds = Counter(layer.kind for layer in model.layers)
    notable = ", ".join(f"{n} {kind}" for kind, n in kinds.items() if kind not in _ORDINARY)
    parts.append(count(len(model.layers), "layer") + (f" ({notable})" if notable else ""))
    return " · ".join(parts)


def notable_layers(model: Model) -> tuple[LayerNode, ...]:
    """The layers that are not Keras's own, or not in a stable place of it."""
    return tuple(layer for layer in model.layers if layer.kind not in _ORDINARY)


def layer_table(layers: tuple[LayerNode, ...], style: Style) -> list[str]:
    rows = [
        [
            printable(layer.path),
            printable(layer.class_name),
            printable(layer.module or "-"),
            layer.kind,
        ]
        for layer in layers
    ]
    headers = ("layer", "class", "module", "kind")
    return table(headers, rows, width=style.width, wrap={"layer": 1, "module": 1})


def hazard_lines(hazards: tuple[Hazard, ...], style: Style) -> list[str]:
    lines: list[str] = []
    for hazard in hazards:
        where = f"{printable(hazard.layer)}: " if hazard.layer else ""
        first = f"  {hazard.code:<16} "
        lines += paragraph(where + printable(hazard.message), width=style.width, first=first)
    return lines
