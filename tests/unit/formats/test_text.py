"""What the text must say, beyond its snapshot."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from opcheck.formats import (
    COMPARISON_FORMATS,
    FORMATS,
    INSPECTION_FORMATS,
    SCAN_FORMATS,
    Style,
)
from opcheck.formats.text import verdict_sentence
from opcheck.report import Inspection, Report
from opcheck.report.comparison import compare
from opcheck.report.scan import Scan, Scanned

render = FORMATS["text"]


def test_verdict_line(report: Report) -> None:
    sentence = verdict_sentence(report.results[1])
    assert sentence.startswith(
        "training on metal@1.2.0: 9 of 19 ops leave the GPU, 7 of them matter"
    )


def test_a_target_that_stands_in_is_said_first(clean_report: Report) -> None:
    why = "opcheck has no kernel registry for metal@9.9. This is metal@1.2.0."
    assert not render(clean_report, Style()).startswith("match")
    (result,) = clean_report.results
    standing_in = msgspec.structs.replace(result, match="nearest", match_reason=why)
    report = msgspec.structs.replace(clean_report, results=(standing_in,) * 2)
    models = tuple(Scanned("m.h5", each, None) for each in (clean_report, report))
    documents = [
        (render, report),
        (COMPARISON_FORMATS["text"], compare(clean_report, report)),
        (COMPARISON_FORMATS["text"], compare(report, clean_report)),
        (SCAN_FORMATS["text"], Scan("1.0", report.tool, models)),
    ]
    for said, document in documents:
        text = said(document, Style())
        assert text.splitlines()[0] == f"match: nearest. {why}"
        assert text.count(why) == 1


def test_mismatch_stands_before_the_verdicts(report: Report) -> None:
    text = render(report, Style())
    banner = text.index("! This graph was traced with TensorFlow 2.18.1, but directml@0.4.0 runs")
    assert banner < text.index("inference on metal@1.2.0")


def test_a_step_that_was_not_analysed_says_why(report: Report) -> None:
    assert "training on directml@0.4.0: not analysed. ValueError: no gradient" in render(
        report, Style()
    )


@pytest.mark.parametrize(
    ("fail_on", "ending"),
    [("never", "NOT GATED (--fail-on never): 6 errors"), ("error", "FAILED: 6 errors")],
)
def test_no_pass_beside_errors(fail_on: str, ending: str, reports: Callable[[str], Report]) -> None:
    complete = msgspec.structs.replace(reports(fail_on), results=_complete(reports(fail_on)))
    failures = tuple(f for f in complete.verdict.failures if f.kind == "finding")
    verdict = msgspec.structs.replace(complete.verdict, passed=not failures, failures=failures)
    text = render(msgspec.structs.replace(complete, verdict=verdict), Style())
    assert "PASSED" not in text
    assert ending in text


def test_incomplete_is_not_passed(reports: Callable[[str], Report]) -> None:
    text = render(reports("never"), Style())
    assert "INCOMPLETE: not everything could be determined in 3 of 4 results." in text
    assert "PASSED" not in text


def test_names_from_the_model_are_escaped(report: Report) -> None:
    inspection = Inspection(report.schema_version, report.tool, report.model)
    for text in (render(report, Style()), INSPECTION_FORMATS["text"](inspection, Style())):
        assert "\x1b" not in text
        assert r"evil\x1b[31m\nname" in text


def test_colour_only_on_request(report: Report) -> None:
    assert "\x1b[31m" in render(report, Style(colour=True))
    assert "\x1b" not in render(report, Style(colour=False))


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_lines_keep_to_the_width(width: int, clean_report: Report, report: Report) -> None:
    text = render(clean_report, Style(width))
    if width >= 120 or width == 80:  # the sample's names need that much, or the narrow table
        text += render(report, Style(width))
    assert max(map(len, text.splitlines())) <= width


def _complete(report: Report) -> tuple:
    return tuple(msgspec.structs.replace(result, incomplete=()) for result in report.results)
