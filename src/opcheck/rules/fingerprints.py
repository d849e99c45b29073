"""What identifies a finding across edits of the model, so that a baseline and SARIF know it again.

Keras numbers layers that were given no name (``dense_3``), and the number shifts whenever an
unrelated layer of the class comes or goes, or the model is built twice in a process. So a
fingerprint leaves such numbers out, and findings that are then alike are told apart by their order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opcheck.graph import LayerNode

_FUNCTIONAL = "model"  # what Keras 2 calls a Functional model that was given no name


def fingerprint(*parts: str | None) -> str:
    """A short stable name for what the parts say together."""
    return hashlib.sha256("\0".join(part or "" for part in parts).encode()).hexdigest()[:16]


def unnumbered(layers: Iterable[LayerNode]) -> Mapping[str, str]:
    """Each layer's path without the numbers that Keras gave."""
    found: dict[str, str] = {}
    for layer in layers:  # parents come before their children
        above, _, name = layer.path.rpartition("/")
        named = re.fullmatch(r"(.+?)_\d+", name)
        if named and named[1] in (snake_case(layer.class_name), _FUNCTIONAL):
            name = named[1]
        found[layer.path] = f"{found.get(above, above)}/{name}" if above else name
    return found


def snake_case(class_name: str) -> str:
    """The name that Keras gives a layer of the class (keras/src/utils/naming.py)."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
