"""The public API."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pandas as pd
import pytest

import opcheck
from opcheck import api
from opcheck.errors import UsageError
from opcheck.report import Report


def test_every_public_name_is_there() -> None:
    assert opcheck.__all__ == sorted(opcheck.__all__)
    assert dir(opcheck) == sorted(opcheck.__all__)
    for name in opcheck.__all__:
        assert getattr(opcheck, name) is not None


def test_nothing_else_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        opcheck.nonsense  # noqa: B018


@pytest.fixture
def public(report: Report) -> opcheck.Report:
    return api.Report(**msgspec.structs.asdict(report))


def test_a_data_frame_has_a_row_for_each_op(public: opcheck.Report) -> None:
    frame = public.to_dataframe()
    assert len(frame) == sum(len(result.ops) for result in public.results)
    einsum = frame[(frame.op == "Einsum") & (frame.target == "metal@1.2.0")]
    assert set(einsum.layer) == {"block/attention"}
    assert set(einsum.verdict) == {"cpu"}
    costs = {
        (result.target, result.step, op.name): op.cost
        for result in public.results
        for op in result.ops
    }
    for row in frame.itertuples():
        cost = costs[row.target, row.step, row.name]
        assert row.copies == cost.crossings
        assert pd.isna(row.bytes) if cost.bytes is None else row.bytes == cost.bytes * cost.runs
    assert frame.bytes.notna().any()


def test_what_a_notebook_shows_is_inert(public: opcheck.Report) -> None:
    hostile = "<script>alert(1)</script>"
    finding = msgspec.structs.replace(public.results[0].findings[0], layer=hostile)
    result = msgspec.structs.replace(public.results[0], findings=(finding,))
    html = msgspec.structs.replace(public, results=(result,))._repr_html_()
    tags: set[str] = set()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: tags.add(tag)
    parser.feed(html)
    assert tags <= {"div", "p", "b", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
    assert "alert(1)" in html
    assert "inference on metal@1.2.0" in html


@pytest.mark.parametrize("model", [3, [], object(), lambda: None])
def test_what_is_no_model_is_a_usage_error(model: object) -> None:
    with pytest.raises(UsageError, match="is no model"):
        opcheck.check(model)


def test_a_path_may_be_a_path_object(tmp_path: Path) -> None:
    with pytest.raises(opcheck.OpcheckError, match=r"missing\.h5"):
        opcheck.check(tmp_path / "missing.h5")
