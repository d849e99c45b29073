"""Stage 2: the op graph, without TensorFlow."""

from opcheck.graph.model import ModelGraph
from opcheck.graph.signature import ArgDef, OpSignature
from opcheck.graph.types import (
    AttrValue,
    Edge,
    LayerKind,
    LayerNode,
    OpNode,
    Role,
    Shape,
    TensorSpec,
)

__all__ = [
    "ArgDef",
    "AttrValue",
    "Edge",
    "LayerKind",
    "LayerNode",
    "ModelGraph",
    "OpNode",
    "OpSignature",
    "Role",
    "Shape",
    "TensorSpec",
]
