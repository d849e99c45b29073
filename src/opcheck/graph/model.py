"""ModelGraph: the op graph of one step, on networkx."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from opcheck.graph.types import Edge, LayerNode, OpNode

if TYPE_CHECKING:
    import networkx as nx

    from opcheck.graph.signature import OpSignature


@dataclass(frozen=True)
class ModelGraph:
    """The ops of one step (inference or training), functions inlined.

    ``arguments`` are the arguments of bodies that are placed on their own, by the names they have
    there: Grappler may put constants in their place. ``signatures`` maps an op type to its argument
    names and types; ``notes`` says in words what could not be walked, and an empty tuple means that
    everything was. ``trips`` tells how often the body of a While op runs, by its id; what is not in
    it is unknown.
    """

    name: str
    layers: tuple[LayerNode, ...]
    ops: tuple[OpNode, ...]
    edges: tuple[Edge, ...]
    signatures: MappingProxyType[str, OpSignature]
    notes: tuple[str, ...] = ()
    arguments: frozenset[str] = frozenset()
    trips: MappingProxyType[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def by_id(self) -> MappingProxyType[str, OpNode]:
        return MappingProxyType({op.id: op for op in self.ops})

    @cached_property
    def network(self) -> nx.MultiDiGraph[str]:
        """The ops as a directed multigraph; an edge's key is ``(src_output, dst_input)``."""
        import networkx as nx  # 0.1 s, and only the stages that walk edges need it

        network: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=self.name)
        network.add_nodes_from(op.id for op in self.ops)
        for edge in self.edges:
            network.add_edge(edge.src, edge.dst, key=(edge.src_output, edge.dst_input))
        return network
