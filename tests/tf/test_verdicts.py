"""Predicted verdicts of the fixtures, against what was read off the registries by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opcheck.graph import OpNode, flatten
from opcheck.placement import Placement, predict
from opcheck.targets import resolve

from .conftest import KERAS, Ask, model_files

TABLE = json.loads(Path(__file__).with_name("verdicts.json").read_text())
# Where a target's own Keras is installed; other versions build other graphs.
HERE = {"metal@1.2.0": KERAS[0] == 3, "directml@0.4.0": KERAS == (2, 10)}
_DTYPES = ("T", "dtype", "element_dtype", "Tparams")


def newest(model: str) -> str | None:
    """The model's newest .keras or .h5 file that this environment opens."""
    files = [
        n for n in model_files() if n.startswith(f"{model}-k") and n.endswith((".keras", ".h5"))
    ]
    return max(files, key=lambda name: [int(p) for p in _version(name)], default=None)


def _version(name: str) -> list[str]:
    digits = name.partition("-k")[2].removesuffix(".keras").removesuffix(".h5")
    return digits.removesuffix("-tf").split(".")


def placed(ask: Ask, name: str, target_name: str) -> list[tuple[OpNode, Placement]]:
    reply, target = ask(name), resolve(target_name)
    opaque = {h.layer: h.message for h in reply.replaced if h.layer is not None}
    found: list[tuple[OpNode, Placement]] = []
    for step in reply.steps:
        assert step.graph is not None
        graph = flatten(
            step.graph, name=step.step, layers=reply.layers, device_type=target.device_type
        )
        pairs = zip(graph.ops, predict(graph, target, opaque=opaque), strict=True)
        found.extend((op, placement) for op, placement in pairs if op.live)
    return found


CASES = [
    pytest.param(target, model, rows, id=f"{target}-{model}")
    for target, models in TABLE.items()
    if HERE.get(target)
    for model, rows in models.items()
]


@pytest.mark.skipif(not CASES, reason="no target runs beside this Keras")
@pytest.mark.parametrize(("target", "model", "rows"), CASES)
def test_verdicts_checked_by_hand(
    target: str, model: str, rows: list[list[str]], answers: Ask
) -> None:
    name = newest(model)
    assert name is not None
    ops = placed(answers, name, target)
    for op_type, dtype, verdict, code in rows:
        judged = {
            (placement.verdict, placement.reason.code)
            for op, placement in ops
            if op.op_type == op_type
            and dtype in (dict(op.dtypes).get(a) for a in _DTYPES)
            # a stand-in's ops tell nothing of the kernels
            and (placement.verdict == "unknown") == (verdict == "unknown")
        }
        assert judged == {(verdict, code)}, (op_type, dtype)


def test_every_model_has_five_rows() -> None:
    for target, models in TABLE.items():
        if target != "why":
            assert all(len(rows) >= 5 for rows in models.values())
