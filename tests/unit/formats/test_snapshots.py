"""Every format, on the canonical report."""

from __future__ import annotations

from collections.abc import Callable

import jsonschema
import msgspec
import pytest

from opcheck.formats import COMPARISON_FORMATS, FORMATS, INSPECTION_FORMATS, Style
from opcheck.report import Inspection, Report
from opcheck.report.comparison import compare
from opcheck.report.schema import generate

Matches = Callable[[str, str], None]


@pytest.mark.parametrize("format_", FORMATS)
def test_canonical_report(format_: str, report: Report, matches_snapshot: Matches) -> None:
    matches_snapshot(FORMATS[format_](report, Style()), f"canonical.{format_}")


@pytest.mark.parametrize("format_", FORMATS)
def test_clean_report(format_: str, clean_report: Report, matches_snapshot: Matches) -> None:
    matches_snapshot(FORMATS[format_](clean_report, Style()), f"clean.{format_}")


@pytest.mark.parametrize("format_", INSPECTION_FORMATS)
def test_inspection(format_: str, report: Report, matches_snapshot: Matches) -> None:
    inspection = Inspection(report.schema_version, report.tool, report.model)
    matches_snapshot(INSPECTION_FORMATS[format_](inspection, Style()), f"inspection.{format_}")


@pytest.mark.parametrize("format_", COMPARISON_FORMATS)
def test_comparison(format_: str, report: Report, matches_snapshot: Matches) -> None:
    comparison = compare(report, report, ("metal@1.2.0", "directml@0.4.0"))
    text = COMPARISON_FORMATS[format_](comparison, Style())
    matches_snapshot(text, f"comparison.{format_}")


def test_json_is_valid(report: Report, clean_report: Report) -> None:
    schema = msgspec.json.decode(generate())
    for document in (report, clean_report):
        jsonschema.Draft202012Validator(schema).validate(
            msgspec.json.decode(FORMATS["json"](document, Style()))
        )


def test_json_holds_the_whole_report(report: Report) -> None:
    again = msgspec.json.decode(FORMATS["json"](report, Style()), type=Report)
    assert again == report
