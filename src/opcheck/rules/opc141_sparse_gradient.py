"""OPC141."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, PlacedOp, Subject

_SPARSE = (
    "ResourceSparseApply",
    "ResourceScatter",
    "UnsortedSegmentSum",
    "SparseSegment",
    "Unique",
)


class SparseGradient(Rule):
    """The sparse gradient of an Embedding is not applied on the accelerator.

    ## What it does
    Reports Embedding layers whose update works on single rows (IndexedSlices) with ops that have no
    kernel there (`ResourceSparseApply...`, `ResourceScatter...`, `Unique`, `UnsortedSegmentSum`).

    ## Why it matters
    The update takes the table along: lookup, gradient and the optimizer's slots of that variable
    are on the CPU, or copied there at every step, however large the vocabulary.

    ## What to do
    For a small vocabulary, look rows up with a product, `tf.one_hot(ids, rows) @ table`: its
    gradient is dense. Otherwise take an optimizer whose sparse update has kernels, such as SGD
    without momentum.

    ## Source
    tensorflow/python/ops/array_ops and resource_variable_ops (the gradient of a gather is
    IndexedSlices); Apple developer forums 726860, tensorflow-directml#379.
    """

    code = "OPC141"

    def check(self, subject: Subject) -> Iterator[Finding]:
        tables = {layer.path for layer in subject.layers if layer.class_name == "Embedding"}
        if subject.step != "training" or not tables:
            return
        off: defaultdict[str, list[PlacedOp]] = defaultdict(list)
        for op in subject.ops:
            leaves = op.placement.verdict in ("cpu", "host-pinned", "fails")
            if leaves and op.severity != "note" and _updates(op, tables):
                layer = op.node.layer_path
                off[layer if layer in tables else ""].append(op)
        for layer, ops in off.items():
            where = layer or (next(iter(tables)) if len(tables) == 1 else None)
            types = sorted({op.node.op_type for op in ops})
            yield Finding(
                code=self.code,
                severity="warning",
                message=f"{'The' if where else 'An'} Embedding's gradient is sparse, and "
                f"{', '.join(types)}, which apply it, are not on the {subject.target.device_type}.",
                layer=where,
                ops=tuple(op.node.id for op in ops),
                reason=None,
                fix="A small table can be looked up as tf.one_hot(ids, rows) @ table, whose "
                "gradient is dense.",
                fingerprint=fingerprint(
                    self.code, subject.target.plugin, subject.stable(where), *types
                ),
            )


def _updates(op: PlacedOp, tables: Collection[str]) -> bool:
    """Whether it may be of a table's update: of an Embedding, a layer around one or none known."""
    node = op.node
    return (
        node.op_type.startswith(_SPARSE)
        and node.role in ("backward", "optimizer")
        and (
            node.layer_path is None
            or any(f"{table}/".startswith(f"{node.layer_path}/") for table in tables)
        )
    )
