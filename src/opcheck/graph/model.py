"""ModelGraph: the op graph of one step, on networkx."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from opcheck.graph.types import Edge, LayerNode, OpNode

if TYPE_CHECKING:
    import networkx as nx

    from opcheck.graph.lowering import Lowered
    from opcheck.graph.signature import OpSignature


@dataclass(frozen=True)
class ModelGraph:
    """The ops of one step (inference or training), functions inlined.

    ``arguments`` are the arguments of bodies that are placed on their own, by the names they have
    there: Grappler may put constants in their place. ``signatures`` maps an op type to its argument
    names and types; ``notes`` says in words what could not be walked, and an empty tuple means that
    everything was. ``trips`` tells how often the body of a While op runs, by its id; what is not in
    it is unknown. ``lowered`` is the same graph with what TensorFlow adds to it, ``None`` where it
    adds nothing.
    """

    name: str
    layers: tuple[LayerNode, ...]
    ops: tuple[OpNode, ...]
    edges: tuple[Edge, ...]
    signatures: MappingProxyType[str, OpSignature]
    notes: tuple[str, ...] = ()
    arguments: frozenset[str] = frozenset()
    trips: MappingProxyType[str, int] = field(default_factory=lambda: MappingProxyType({}))
    lowered: Lowered | None = None

    @cached_property
    def by_id(self) -> MappingProxyType[str, OpNode]:
        return MappingProxyType({op.id: op for op in self.ops})

    @property
    def added(self) -> tuple[OpNode, ...]:
        """The nodes that TensorFlow adds; none of ``ops``."""
        return self.lowered.added if self.lowered is not None else ()

    @cached_property
    def nodes(self) -> MappingProxyType[str, OpNode]:
        """``ops`` and ``added`` by id, as TensorFlow orders them."""
        if self.lowered is None:
            return self.by_id
        known = {**self.by_id, **{node.id: node for node in self.lowered.added}}
        order = (name for names in self.lowered.graphs for name in names)
        return MappingProxyType({name: known[name] for name in order})

    @cached_property
    def data(self) -> tuple[Edge, ...]:
        """The edges that carry data between ``nodes``, and from the step's arguments."""
        if self.lowered is not None:
            return self.lowered.edges
        return tuple(edge for edge in self.edges if edge.src_output >= 0)

    @cached_property
    def network(self) -> nx.MultiDiGraph[str]:
        """The ops as a directed multigraph; an edge's key is ``(src_output, dst_input)``."""
        import networkx as nx  # 0.1 s, and only the stages that walk edges need it

        network: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=self.name)
        network.add_nodes_from(op.id for op in self.ops)
        for edge in self.edges:
            network.add_edge(edge.src, edge.dst, key=(edge.src_output, edge.dst_input))
        return network
