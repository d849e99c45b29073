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

from opcheck.config import Options
from opcheck.formats import FORMATS, Style
from opcheck.formats.sarif import _uri
from opcheck.report import Report, gate
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


def test_github_begins_with_the_verdict(report: Report, clean_report: Report) -> None:
    assert rendered("github", report).splitlines()[0].startswith("::error title=opcheck")
    assert rendered("github", clean_report).splitlines()[0].startswith("::notice title=opcheck")


def test_github_gets_no_more_than_it_shows(report: Report) -> None:
    many = with_findings(report, 25)
    lines = rendered("github", many).splitlines()
    assert len([line for line in lines if line.startswith("::error")]) == 10
    assert len([line for line in lines if line.startswith("::warning")]) <= 10
    assert not any(line.startswith("::notice") for line in lines)  # the notes
    assert re.search(r"\d+ annotations more than GitHub shows", lines[0])


def test_a_target_that_stands_in_is_said(clean_report: Report) -> None:
    (result,) = clean_report.results
    near = msgspec.structs.replace(result, match="nearest", match_reason="No metal@9.9.")
    report = msgspec.structs.replace(clean_report, results=(near,))
    for format_ in ("sarif", "junit", "github"):
        assert "match:" not in rendered(format_, clean_report)
        assert rendered(format_, report).count("match: nearest. No metal@9.9.") == 1
    (invocation,) = json.loads(rendered("sarif", report))["runs"][0]["invocations"]
    assert invocation["toolExecutionNotifications"][0]["level"] == "warning"
    assert rendered("github", report).splitlines()[1].startswith("::notice title=opcheck,file=")
    (output,) = ET.fromstring(rendered("junit", report)).findall(
        ".//testcase[@name='(the whole step)']/system-out"
    )
    assert output.text.startswith("match: nearest.")


def test_sarif_gives_each_result_a_file(report: Report) -> None:
    """GitHub refuses the whole upload where one has none."""
    for format_, path, uri in (
        ("hdf5", "models/a.h5", "models/a.h5"),
        ("factory", "my_package.models:build", "my_package/models.py"),
        ("live", "<model>", "%3Cmodel%3E"),
        ("savedmodel", "/models/saved", "file:///models/saved"),
    ):
        model = msgspec.structs.replace(report.model, format=format_, path=path)
        text = rendered("sarif", msgspec.structs.replace(report, model=model))
        (run,) = json.loads(text)["runs"]
        for result in run["results"]:
            (location,) = result["locations"]
            assert location["physicalLocation"]["artifactLocation"]["uri"] == uri
        assert run["automationDetails"]["id"].startswith("opcheck/")


@pytest.mark.parametrize(
    ("system", "uri", "file"),
    [
        ("Windows", "models/sub/net.h5", "models/sub/net.h5"),
        ("Linux", "models%5Csub%5Cnet.h5", "models\\sub\\net.h5"),  # a name with backslashes
    ],
)
def test_a_path_of_windows_has_slashes(system: str, uri: str, file: str, report: Report) -> None:
    model = msgspec.structs.replace(report.model, path="models\\sub\\net.h5")
    here = msgspec.structs.replace(report.environment, system=system)
    there = msgspec.structs.replace(report, model=model, environment=here)
    (run,) = json.loads(rendered("sarif", there))["runs"]
    assert run["artifacts"][0]["location"]["uri"] == uri
    assert run["automationDetails"]["id"] == f"opcheck/{uri}/metal@1.2.0+directml@0.4.0/"
    assert f"file={file}::" in rendered("github", there)


def test_a_report_of_nothing_is_no_success(reports: Reports) -> None:
    nothing = gate.judge(msgspec.structs.replace(reports("never"), results=()), Options())
    (run,) = json.loads(rendered("sarif", nothing))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert "Nothing was checked." in rendered("sarif", nothing)
    root = ET.fromstring(rendered("junit", nothing))
    assert (root.get("tests"), root.get("errors")) == ("1", "1")
    assert root.findall("testsuite/testcase/error")


def test_sarif_keeps_to_what_github_shows(report: Report) -> None:
    (run,) = json.loads(rendered("sarif", with_findings(report, 5200)))["runs"]
    assert len(run["results"]) == 5000
    told = [n for n in run["invocations"][0]["toolExecutionNotifications"] if n["level"] == "note"]
    assert re.search(r"\d+ findings of the mildest left out", told[0]["message"]["text"])


def with_findings(report: Report, number: int) -> Report:
    """Its first result with so many errors, each in a layer and of a reason of its own."""
    first = report.results[0]
    error = first.findings[0]
    many = tuple(
        msgspec.structs.replace(
            error,
            layer=f"layer_{i}",
            fingerprint=f"{i:016x}",
            reason=msgspec.structs.replace(error.reason, message=f"reason {i}"),
        )
        for i in range(number)
    )
    changed = msgspec.structs.replace(first, findings=many)
    return msgspec.structs.replace(report, results=(changed, *report.results[1:]))


def test_what_is_the_same_in_many_layers_is_said_once(report: Report) -> None:
    first = report.results[0]
    error = next(f for f in first.findings if f.code == "OPC101")
    many = tuple(
        msgspec.structs.replace(
            error, layer=f"layer_{i}", fingerprint=f"{i:016x}", ops=(f"{i}/a", f"{i}/b")
        )
        for i in range(30)
    )
    changed = msgspec.structs.replace(first, findings=many)
    alone = msgspec.structs.replace(report, results=(changed,))
    markdown = rendered("markdown", alone)
    assert "What to do: 30 findings of 1 kind" in markdown
    assert "`layer_0`, `layer_1`, `layer_2`, `layer_3`, `layer_4` and 25 more" in markdown
    assert "Einsum \u00d760 runs on the CPU" in markdown
    assert rendered("github", alone).count("OPC101") == 1
    assert rendered("html", alone).count('class="code">OPC101') == 1
    (run,) = json.loads(rendered("sarif", alone))["runs"]
    assert len(run["results"]) == 30  # each is an alert of its own


def test_markdown_stays_below_what_github_takes(report: Report) -> None:
    first = report.results[0]
    (op,) = [op for op in first.ops if op.name == "stack"]
    many = tuple(
        msgspec.structs.replace(
            op,
            layer=f"block/{i}" * 9,
            reason=msgspec.structs.replace(op.reason, message=f"reason {i}"),
        )
        for i in range(3000)
    )
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
