"""Runs the case tables in tests/cases: one file a rule, one entry a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opcheck.cost import StepCost
from opcheck.graph import LayerNode
from opcheck.graph.types import Shape
from opcheck.placement.types import Types
from opcheck.rules import RULES, PlacedOp, Subject

FOLDER = Path(__file__).parents[2] / "cases"


class OpCase(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    op: str
    verdict: str
    reason: tuple[str, str]
    layer: str | None = "block"
    role: str = "forward"
    dtypes: dict[str, str | tuple[str, ...]] | None = None
    shape: Shape = (2, 64)
    loops: tuple[str, ...] = ()
    instead: Types = ()


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    """``message`` and ``fix`` are parts of the real ones; ``fix: null`` means there is none."""

    severity: str
    layer: str | None
    ops: tuple[str, ...]
    message: str = ""
    fix: str | None = ""


class Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    findings: tuple[Expected, ...]
    ops: tuple[OpCase, ...] = ()
    target: str = "metal"
    layers: tuple[LayerNode, ...] = ()
    source: dict[str, str] = {}
    environment: dict[str, str] = {}
    gaps: tuple[str, ...] = ()
    crossings: int = 0
    optimizer: str | None = None


COST = StepCost(
    batch=2,
    flops=0,
    flops_accelerator=0,
    flops_share=None,
    bytes=0,
    bytes_accelerator=0,
    bytes_share=None,
    unknown_ops=0,
    unknown_loops=0,
    partitions=1,
    turns=0,
    crossings=0,
    crossing_bytes=0,
    unknown_crossings=0,
    most_expensive=(),
)

TABLES = {
    path.stem: msgspec.json.decode(path.read_bytes(), type=list[Case])
    for path in sorted(FOLDER.glob("OPC*.json"))
}
CASES = [
    pytest.param(code, case, id=f"{code}-{case.name}")
    for code, cases in TABLES.items()
    for case in cases
]


@pytest.mark.parametrize(("code", "case"), CASES)
def test_case(code: str, case: Case, make_subject: Callable[..., Subject], placed: Any) -> None:
    rule = next(rule for rule in RULES if rule.code == code)
    subject = make_subject(
        target=case.target,
        ops=tuple(_placed(op, placed) for op in case.ops),
        layers=case.layers,
        source=case.source,
        environment=case.environment,
        gaps=case.gaps,
    )
    subject = replace(subject, optimizer=case.optimizer)
    if case.crossings:
        subject = replace(subject, cost=msgspec.structs.replace(COST, crossings=case.crossings))
    found = list(rule.check(subject))
    assert [(f.severity, f.layer, f.ops) for f in found] == [
        (e.severity, e.layer, e.ops) for e in case.findings
    ]
    for finding, expected in zip(found, case.findings, strict=True):
        assert finding.code == code
        assert expected.message in finding.message
        assert ".." not in finding.message
        if expected.fix is None:
            assert finding.fix is None
        else:
            assert expected.fix in (finding.fix or "")


def test_every_rule_has_cases_with_and_without_a_finding() -> None:
    assert set(TABLES) == {rule.code for rule in RULES}
    for code, cases in TABLES.items():
        assert {bool(case.findings) for case in cases} == {True, False}, code


def _placed(op: OpCase, placed: Callable[..., PlacedOp]) -> PlacedOp:
    made = placed(
        op.id,
        op.op,
        op.verdict,
        op.reason,
        layer=op.layer,
        role=op.role,
        dtypes=op.dtypes,
        shape=op.shape,
    )
    return replace(
        made,
        node=msgspec.structs.replace(made.node, loops=op.loops),
        placement=msgspec.structs.replace(made.placement, instead=op.instead),
    )
