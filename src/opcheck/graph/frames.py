"""Function bodies as they are instantiated: one frame for each call, branch or loop part."""

from __future__ import annotations

from dataclasses import dataclass, field

from opcheck.graph.raw import RawFunction, RawNode, RawTensor
from opcheck.graph.types import Role

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
LOOPS = frozenset({"While", "StatelessWhile"})
BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})


@dataclass(eq=False)
class Frame:
    """One instance of a function body: where its arguments come from, and what calls it.

    ``call`` is the node of ``caller`` that it belongs to, ``part`` what it is there: ``cond`` or
    ``body`` of a loop, ``then``, ``else`` or ``branch_N`` of a branch. ``sources`` has for each
    argument what the caller hands in, then, in a loop, what the body left in the last round.
    ``own_graph``: TensorFlow does not inline it, and places it on its own.
    """

    function: RawFunction
    prefix: str
    layer: str | None = None
    role: Role | None = None
    caller: Frame | None = None
    call: RawNode | None = None
    part: str = ""
    device: str = ""
    placed_prefix: str = ""
    own_graph: bool = False
    loops: tuple[str, ...] = ()
    sources: list[list[tuple[Frame, str]]] = field(default_factory=list)
    callees: dict[str, list[Frame]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = {node.name: node for node in self.function.nodes}
        self.argument = {name: i for i, name in enumerate(self.function.arguments)}

    def is_op(self, node: RawNode) -> bool:
        """Calls, loops and branches dissolve into their bodies; arguments are no ops."""
        return node.name not in self.callees and node.name not in self.argument

    def tensor(self, ref: str) -> RawTensor:
        """The tensor ``node:index`` of this body."""
        name, _, index = ref.rpartition(":")
        return self.nodes[name].outputs[int(index)]


def data_inputs(node: RawNode) -> list[str]:
    return [ref for ref in node.inputs if not ref.startswith("^")]
