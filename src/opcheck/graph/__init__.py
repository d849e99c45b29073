"""Stage 2: the op graph, without TensorFlow."""

from opcheck.graph.flatten import depends_on_device, flatten
from opcheck.graph.model import ModelGraph
from opcheck.graph.signature import ArgDef, OpSignature
from opcheck.graph.types import (
    ARGUMENT,
    ARGUMENTS_ON_HOST,
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
    "ARGUMENT",
    "ARGUMENTS_ON_HOST",
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
    "depends_on_device",
    "flatten",
]
