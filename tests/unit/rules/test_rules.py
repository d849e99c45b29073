"""What holds for all rules together."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest

from opcheck.placement import Verdict
from opcheck.rules import RULES, PlacedOp, Subject, docs, findings
from opcheck.rules.opc104_host_pinned import HostPinned
from opcheck.targets import resolve

REASONS = (
    "kernel",
    "no-kernel",
    "dtype",
    "colocated",
    "placer-heuristic",
    "host-memory",
    "no-kernel-anywhere",
    "no-xla",
    "opaque",
    "unknown-op",
    "observed",
    "something-new",
)


@pytest.mark.parametrize(("verdict", "reason"), list(itertools.product(get_args(Verdict), REASONS)))
def test_every_placement_off_the_accelerator_is_one_finding(
    verdict: str,
    reason: str,
    placed: Callable[..., PlacedOp],
    make_subject: Callable[..., Subject],
) -> None:
    op = placed("a", "MatMul", verdict, (reason, "because"))
    found = findings(make_subject(ops=(op,)))
    assert len(found) == (0 if verdict == "accelerator" else 1)


def test_codes_are_unique_and_in_order() -> None:
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_docstring_is_a_documentation(rule: object) -> None:
    text = docs.text(rule)
    assert text.splitlines()[0].endswith(".")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## What it does", "## Why it matters", "## What to do", "## Source"]


def test_the_pages_are_up_to_date() -> None:
    """Write them again with ``python -m opcheck.rules.docs docs/rules``."""
    assert {path.name: path.read_text("utf-8") for path in docs.FOLDER.glob("*.md")} == docs.pages()


def test_the_worst_comes_first(
    placed: Callable[..., PlacedOp], make_subject: Callable[..., Subject]
) -> None:
    small = placed("a", "Einsum", "cpu", ("no-kernel", ""), shape=())
    fails = placed("b", "Foo", "fails", ("no-kernel-anywhere", ""))
    unknown = placed("c", "Bar", "unknown", ("unknown-op", ""))
    found = findings(make_subject(ops=(small, unknown, fails)))
    assert [f.severity for f in found] == ["error", "warning", "note"]


def test_a_fingerprint_survives_edits_of_other_layers_and_a_new_plugin_version(
    placed: Callable[..., PlacedOp], make_subject: Callable[..., Subject]
) -> None:
    def fingerprints(*ops: PlacedOp) -> set[str]:
        return {f.fingerprint for f in findings(make_subject(ops=ops))}

    before = placed("a/Einsum", "Einsum", "cpu", ("no-kernel", "metal 1.1.0 has none"), layer="a")
    after = placed("a/Einsum_7", "Einsum", "cpu", ("no-kernel", "metal 1.2.0 has none"), layer="a")
    other = placed("b/Einsum", "Einsum", "cpu", ("no-kernel", "none"), layer="b")
    assert fingerprints(before) == fingerprints(after)
    assert fingerprints(before) < fingerprints(other, after)
    assert fingerprints(before).isdisjoint(fingerprints(other))


def test_a_fingerprint_is_of_one_plugin(
    placed: Callable[..., PlacedOp], make_subject: Callable[..., Subject]
) -> None:
    op = placed("a", "Einsum", "cpu", ("no-kernel", "none"))
    metal, directml = (findings(make_subject(target=t, ops=(op,))) for t in ("metal", "directml"))
    assert {f.fingerprint for f in metal if f.ops}.isdisjoint(f.fingerprint for f in directml)


@pytest.mark.parametrize(
    ("target", "dtype", "helps"),
    [
        ("metal@1.2.0", "float32", True),
        ("metal@1.2.0", "int32", False),  # ConcatV2 is in host memory as well
        ("metal@1.2.0", "int64", False),  # ConcatV2 is on the CPU
        ("directml@0.4.0", "int32", False),
        ("directml@0.4.0", "int64", True),
    ],
)
def test_concat_is_advised_where_it_works(
    target: str,
    dtype: str,
    helps: bool,
    placed: Callable[..., PlacedOp],
    make_subject: Callable[..., Subject],
) -> None:
    op = replace(placed("a", "Pack", "host-pinned", dtypes={"T": dtype}), severity="warning")
    subject = replace(make_subject(ops=(op,)), target=resolve(target))
    (found,) = HostPinned().check(subject)
    assert ("tf.concat" in (found.fix or "")) == helps
