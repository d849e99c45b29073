"""SARIF 2.1.0, for code scanning.

A model file has no lines, so none are given: a result points at the file and, as logical locations,
at the layer and its ops. A result's fingerprint is the finding's own, which survives edits of the
rest of the model. References (3.x) are to the OASIS standard, SARIF 2.1.0.

GitHub asks for more: a physical location for each result (it refuses the whole file otherwise), a
category of its own for each run that is uploaded (``automationDetails.id``), and no more than 5,000
results to show, of 25,000 that it reads ("SARIF support for code scanning").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote

from opcheck.formats.escape import printable
from opcheck.formats.found import Found, found
from opcheck.formats.match import match_lines
from opcheck.formats.numbers import count
from opcheck.formats.slashes import slashed
from opcheck.formats.style import Style
from opcheck.report import Model, Report
from opcheck.rules import RULES, Rule, docs

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_MOST_OPS = 20
_MOST_RESULTS = 5_000

Node = Mapping[str, object]


def render(report: Report, style: Style) -> str:  # noqa: ARG001 - JSON has no style
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(slashed(report))]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _run(report: Report) -> Node:
    results = found(report)  # the worst first
    run: dict[str, object] = {
        "automationDetails": {"id": _category(report)},
        "tool": {
            "driver": {
                "name": report.tool.name,
                "version": report.tool.version,
                "rules": [_rule(rule) for rule in RULES],
            }
        },
        "invocations": [_invocation(report, len(results))],
        "results": [_result(each, report.model) for each in results[:_MOST_RESULTS]],
        "artifacts": [_artifact(report.model)],
    }
    return run


def _rule(rule: Rule) -> Node:
    title, _, body = docs.text(rule).partition("\n")
    return {
        "id": rule.code,
        "name": type(rule).__name__,
        "shortDescription": {"text": title},
        "fullDescription": {"text": _section(body, "What it does") or title},
        "help": {"text": body.strip(), "markdown": body.strip()},
    }


def _category(report: Report) -> str:
    """Of a model and its targets: an upload takes the place of an older one of its category, and
    two jobs may check one model against a target each."""
    parts = ("opcheck", printable(report.model.path), printable("+".join(report.labels)))
    return "/".join(quote(part, safe="/@+,=") for part in parts if part) + "/"


def _section(body: str, title: str) -> str:
    """The text below a heading, in one line."""
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", body, re.MULTILINE | re.DOTALL)
    return " ".join(match[1].split()) if match else ""


def _invocation(report: Report, results: int) -> Node:
    """Not successful when something could not be determined (3.20.14)."""
    gaps = [
        f"{failure.step} on {failure.target}: {failure.message}"
        for failure in report.verdict.failures
        if failure.kind == "incomplete"
    ]
    if not report.results:
        gaps.append("Nothing was checked.")
    return {
        "executionSuccessful": not gaps,
        "exitCode": report.verdict.exit_code,
        "toolExecutionNotifications": [
            *({"level": "error", "message": _text(gap)} for gap in gaps),
            *({"level": "warning", "message": _text(line)} for line in match_lines(report.results)),
            *_left_out(results - _MOST_RESULTS),
        ],
    }


def _left_out(number: int) -> Iterator[Node]:
    if number > 0:
        text = f"{count(number, 'finding')} of the mildest left out; the JSON report has them."
        yield {"level": "note", "message": _text(text)}


def _result(found: Found, model: Model) -> Node:
    finding = found.finding
    result: dict[str, object] = {
        "ruleId": finding.code,
        "level": finding.severity,
        "message": _text(
            " ".join(filter(None, (f"On {found.target}: {finding.message}", finding.fix)))
        ),
        "locations": [_location(found, model)],
        "partialFingerprints": {"opcheck/v1": finding.fingerprint},
        "properties": {
            "target": found.target,
            "steps": list(found.steps),
            "opCount": len(finding.ops),
        },
    }
    index = next((i for i, rule in enumerate(RULES) if rule.code == finding.code), None)
    if index is not None:  # a report of another opcheck may have a rule that this one has not
        result["ruleIndex"] = index
    if finding.suppressed is not None:
        suppression = {"kind": "external", "justification": printable(finding.suppressed.reason)}
        result["suppressions"] = [suppression]
    return result


def _location(found: Found, model: Model) -> Node:
    location: dict[str, object] = {
        "physicalLocation": {"artifactLocation": {"uri": _file(model), "index": 0}}
    }
    layer = found.finding.layer
    names = [] if layer is None else [("layer", layer)]
    names += [("op", op) for op in found.finding.ops[:_MOST_OPS]]
    if names:
        location["logicalLocations"] = [_logical(kind, name) for kind, name in names]
    return location


def _logical(kind: str, path: str) -> Node:
    path = printable(path)
    return {"name": path.rsplit("/", 1)[-1], "fullyQualifiedName": path, "kind": kind}


def _artifact(model: Model) -> Node:
    artifact: dict[str, object] = {
        "location": {"uri": _file(model)},
        "roles": ["analysisTarget"],
    }
    if model.sha256 and model.format != "live":  # a live model's is of its config
        artifact["hashes"] = {"sha-256": model.sha256}
    return artifact


def _file(model: Model) -> str:
    """A relative reference, or a ``file:`` URI where the path is absolute; of a model made by code,
    its module's."""
    if model.format == "factory":
        return _uri(model.path.partition(":")[0].replace(".", "/") + ".py")
    return _uri(model.path)


def _uri(path: str) -> str:
    if PureWindowsPath(path).drive:
        return "file:///" + quote(PureWindowsPath(path).as_posix().lstrip("/"), safe="/:")
    return "file://" * PurePosixPath(path).is_absolute() + quote(path, safe="/")


def _text(message: str) -> Node:
    """A message's text may hold links, ``[text](target)``, and placeholders, ``{0}`` (3.11)."""
    text = printable(message)
    text = re.sub(r"[\[\]\\]", r"\\\g<0>", text) if "](" in text else text
    return {
        "text": text.replace("{", "{{").replace("}", "}}") if re.search(r"{\d+}", text) else text
    }
