"""How large lists of tensors become: what a TensorArray or a loop's gradient keeps.

A list is a handle without a size, but a copy of it copies what is in it (list_kernels.cc:
TensorListDeviceCopy). Its size is that of the tensor it was made of or is stacked to, or of what a
loop puts in, as often as it does.
"""

from __future__ import annotations

from collections.abc import Mapping

from opcheck.cost.sizes import size
from opcheck.graph import ModelGraph, OpNode

_PUT_IN = frozenset({"TensorListPushBack", "TensorListSetItem"})
_WHOLE_IN = frozenset({"TensorListFromTensor"})
_WHOLE_OUT = frozenset({"TensorListConcatV2", "TensorListGather", "TensorListStack"})


def list_bytes(graph: ModelGraph) -> Mapping[str, int]:
    """What each list holds at most, in bytes, by the nodes that hand it on, where it is known."""
    joined = [edge for edge in graph.data if _is_list(graph, edge.dst, edge.dst_input)]
    if not joined:
        return {}
    from networkx.utils import UnionFind  # 0.1 s that `opcheck inspect` need not wait

    union: UnionFind[str] = UnionFind()
    for edge in joined:
        union.union(edge.src, edge.dst)
    known: dict[str, int] = {}
    for edge in joined:
        for name in (edge.src, edge.dst):
            node = graph.nodes.get(name)
            count = _says(node, graph) if node is not None else None
            if count is not None:
                root = union[name]
                known[root] = max(known.get(root, 0), count)
    return {edge.src: known[union[edge.src]] for edge in joined if union[edge.src] in known}


def _is_list(graph: ModelGraph, node: str, position: int) -> bool:
    return graph.nodes[node].inputs[position].dtype == "variant"


def _says(node: OpNode, graph: ModelGraph) -> int | None:
    """What ``node`` tells of the size of its list, in bytes."""
    if node.op_type in _WHOLE_OUT:
        return size(node.outputs[0])
    tensors = [tensor for tensor in node.inputs if tensor.name in ("tensor", "item")]
    if not tensors or node.op_type not in _PUT_IN | _WHOLE_IN:
        return None
    one = size(tensors[0])
    rounds = graph.trips.get(node.loops[-1]) if node.loops and node.op_type in _PUT_IN else 1
    return None if one is None or rounds is None else one * rounds
