"""OPC201."""

from __future__ import annotations

from opcheck.rules.base import Group, OpRule, sentence
from opcheck.rules.types import PlacedOp, Subject


class NotAnalysed(OpRule):
    """A custom or Lambda layer was not analysed.

    ## What it does
    Reports layers that opcheck did not instantiate, because that would run code that the model file
    brings or names. A stand-in of the same shape took their place in the graph, and what they
    compute is unknown.

    ## Why it matters
    Such a layer may hold the very op that leaves the accelerator. Loading a model file can run
    code: Lambda layers carry bytecode, and a configuration may name any function of any module.

    ## What to do
    A custom layer: name the module that defines it, `--custom-objects package.module`. A Lambda
    layer: `--trust`, if you trust where the file comes from. A live model whose class stands in the
    main script or a notebook: move it to a module, or `opcheck.check(model, in_process=True)`.

    ## Source
    CVE-2024-3660, CVE-2025-1550, CVE-2025-9905 and others: Keras files that run code when opened.
    """

    code = "OPC201"

    def applies(self, op: PlacedOp) -> bool:
        return op.placement.verdict == "unknown" and op.placement.reason.code == "opaque"

    def key(self, op: PlacedOp) -> tuple[str | None, ...]:
        """One finding a layer: the ops are the stand-in's, and say nothing."""
        return (op.node.layer_path,)

    def message(self, group: Group, subject: Subject) -> str:  # noqa: ARG002
        return f"What this layer computes was not analysed: {sentence(group.reason)}"

    def fix(self, group: Group, subject: Subject) -> str | None:
        kind = next((layer.kind for layer in subject.layers if layer.path == group.layer), "custom")
        if kind == "lambda":
            return "Add --trust to run the Lambda layer's code, if you trust this file."
        if subject.source.format in ("live", "factory"):
            return "Move its class to a module that can be imported, or check in_process."
        return "Name the module that defines it: --custom-objects package.module."
