"""JUnit XML: a suite for each step on each target, a case for each layer.

What the gate lets fail is a failure, what could not be determined an error, everything else passes;
findings that do not fail are in a case's output. The dialect is the one that Jenkins
reads. No case has more than one failure or error: some readers keep only the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from xml.etree import ElementTree as ET

from opcheck.formats.escape import printable
from opcheck.formats.match import match_lines
from opcheck.formats.style import Style
from opcheck.formats.text import verdict_sentence
from opcheck.report import Failure, LayerSummary, Report, Result
from opcheck.rules import Finding

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_OUTSIDE = "(outside any layer)"
_WHOLE = "(the whole step)"


def render(report: Report, style: Style) -> str:  # noqa: ARG001 - XML has none
    root = ET.Element("testsuites", name="opcheck")
    layers = [layer.path for layer in report.model.layers]
    for result in report.results:
        failures = [
            failure
            for failure in report.verdict.failures
            if (failure.target, failure.step) == (result.target, result.step)
        ]
        root.append(_suite(result, layers, failures))
    if not report.results:
        root.append(_nothing())
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    return _DECLARATION + ET.tostring(root, encoding="unicode") + "\n"


def _suite(result: Result, layers: Iterable[str], failures: Collection[Failure]) -> ET.Element:
    name = f"{result.step} on {result.target}"
    suite = ET.Element("testsuite", name=printable(name))
    failing = {failure.fingerprint for failure in failures if failure.kind == "finding"}
    summaries = {summary.path: summary for summary in result.layers}
    by_layer: defaultdict[str | None, list[Finding]] = defaultdict(list)
    for finding in result.findings:
        by_layer[finding.layer].append(finding)
    for path in dict.fromkeys((*layers, *summaries, *by_layer)):
        case = _case(suite, result, _OUTSIDE if path is None else path)
        _judge(case, summaries.get(path), by_layer[path], failing)
    whole = [failure for failure in failures if failure.kind != "finding"]
    case = _case(suite, result, _WHOLE)
    if whole:
        kind = "error" if any(failure.kind == "incomplete" for failure in whole) else "failure"
        _outcome(case, kind, whole[0].kind, [failure.message for failure in whole])
    _output(case, [*match_lines([result]), verdict_sentence(result)])
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    return suite


def _nothing() -> ET.Element:
    """No suite at all would look like nothing wrong."""
    suite = ET.Element("testsuite", name="opcheck", tests="1", failures="0", errors="1")
    case = ET.SubElement(suite, "testcase", name="(the check)", classname="opcheck")
    _outcome(case, "error", "incomplete", ["Nothing was checked."])
    return suite


def _case(suite: ET.Element, result: Result, name: str) -> ET.Element:
    classname = printable(f"{result.target}.{result.step}")
    return ET.SubElement(suite, "testcase", name=printable(name), classname=classname)


def _judge(
    case: ET.Element,
    summary: LayerSummary | None,
    findings: Collection[Finding],
    failing: Collection[str | None],
) -> None:
    """One layer: what of its findings fails, and the rest as output."""
    failed = [finding for finding in findings if finding.fingerprint in failing]
    if failed:
        _outcome(case, "failure", failed[0].code, [_sentence(finding) for finding in failed])
    passed = [_sentence(finding) for finding in findings if finding not in failed]
    _output(case, [*([_counts(summary)] if summary else []), *passed])


def _counts(summary: LayerSummary) -> str:
    verdicts = {
        "accelerator": summary.accelerator,
        "host-pinned": summary.host_pinned,
        "cpu": summary.cpu,
        "fails": summary.fails,
        "unknown": summary.unknown,
    }
    counts = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items() if number)
    return f"ops: {counts}"


def _sentence(finding: Finding) -> str:
    text = f"{finding.severity} {finding.code}: {finding.message}"
    if finding.suppressed is not None:
        text = f"{finding.suppressed.by} ({finding.suppressed.reason}): {text}"
    return " ".join(filter(None, (text, finding.fix)))


def _outcome(case: ET.Element, kind: str, type_: str, lines: Collection[str]) -> None:
    message = printable(next(iter(lines)))
    element = ET.SubElement(case, kind, type=type_, message=message)
    element.text = "\n".join(map(printable, lines))


def _output(case: ET.Element, lines: Collection[str]) -> None:
    if lines:
        ET.SubElement(case, "system-out").text = "\n".join(map(printable, lines))
