"""What the formats for other programs must say, beyond their snapshots.

That they keep to the published schemas: tests/browser/test_schemas.py.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import msgspec
import pytest

from opcheck.formats import FORMATS, Style
from opcheck.formats.sarif import _uri
from opcheck.report import Report
from opcheck.rules import RULES, Suppression

Reports = Callable[[str], Report]


def rendered(format_: str, report: Report) -> str:
    return FORMATS[format_](report, Style())


def suppressed(report: Report) -> Report:
    """The report with its first finding, of both steps, ignored."""
    accepted = Suppression("ignore", "measured: it does not matter here")
    fingerprint = report.results[0].findings[0].fingerprint
    results = tuple(
        msgspec.structs.replace(
            result,
            findings=tuple(
                msgspec.structs.replace(f, suppressed=accepted)
                if f.fingerprint == fingerprint
                else f
                for f in result.findings
            ),
        )
        for result in report.results
    )
    return msgspec.structs.replace(report, results=results)


def test_sarif_has_each_finding_once(report: Report) -> None:
    (run,) = json.loads(rendered("sarif", report))["runs"]
    identities = [
        (r["partialFingerprints"]["opcheck/v1"], r["properties"]["target"]) for r in run["results"]
    ]
    assert len(set(identities)) == len(identities)
    assert set(identities) == {
        (f.fingerprint, r.target) for r in report.results for f in r.findings
    }
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [r.code for r in RULES]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_invents_no_lines(report: Report) -> None:
    assert '"region"' not in rendered("sarif", report)
    assert '"startLine"' not in rendered("sarif", report)


def test_what_is_ignored_stays_in_sarif_and_leaves_the_others(report: Report) -> None:
    ignored = suppressed(report)
    (run,) = json.loads(rendered("sarif", ignored))["runs"]
    reasons = [r["suppressions"][0]["justification"] for r in run["results"] if "suppressions" in r]
    assert reasons == ["measured: it does not matter here"]
    for format_ in ("github", "markdown"):
        before, after = rendered(format_, report), rendered(format_, ignored)
        assert before.count("OPC101") == after.count("OPC101") + 1


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("models/my model.h5", "models/my%20model.h5"),
        ("/data/a.keras", "file:///data/a.keras"),
        ("C:\\data\\a.keras", "file:///C:/data/a.keras"),
        ("a%b#c?.h5", "a%25b%23c%3F.h5"),
    ],
)
def test_sarif_uri(path: str, uri: str) -> None:
    assert _uri(path) == uri


def test_junit_fails_what_the_gate_fails(reports: Reports) -> None:
    for fail_on in ("error", "warning", "never"):
        report = reports(fail_on)
        root = ET.fromstring(rendered("junit", report))
        kinds = {failure.kind for failure in report.verdict.failures}
        assert bool(root.findall(".//failure")) == ("finding" in kinds)
        assert bool(root.findall(".//error")) == ("incomplete" in kinds)
        assert int(root.get("tests", "")) == len(root.findall(".//testcase"))
        assert int(root.get("failures", "")) == len(root.findall(".//failure"))


def test_junit_has_a_case_for_each_layer_and_target(report: Report) -> None:
    root = ET.fromstring(rendered("junit", report))
    assert len(root) == len(report.results)
    for suite in root:
        names = [case.get("name") for case in suite]
        assert len(set(names)) == len(names)
        assert {"rescaling", "block", "block/attention", "dense"} < set(names)


def test_github_ends_with_the_verdict(report: Report, clean_report: Report) -> None:
    assert rendered("github", report).splitlines()[-1].startswith("::error title=opcheck")
    assert rendered("github", clean_report).splitlines()[-1].startswith("::notice title=opcheck")


def test_markdown_stays_below_what_github_takes(report: Report) -> None:
    first = report.results[0]
    (op,) = [op for op in first.ops if op.name == "stack"]
    many = tuple(msgspec.structs.replace(op, layer=f"block/{i}" * 9) for i in range(3000))
    large = msgspec.structs.replace(
        report, results=(msgspec.structs.replace(first, ops=many), *report.results[1:])
    )
    text = rendered("markdown", large)
    assert 30_000 < len(text) <= 60_000
    (hidden,) = re.findall(r"^(\d+) more; the JSON report has every op", text, re.MULTILINE)
    assert text.count("`block/") + int(hidden) >= 3000
    assert (
        text.count("<details>")
        == text.count("</details>")
        == rendered("markdown", report).count("<details>")
    )
