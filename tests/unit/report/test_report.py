"""The report's numbers, its schema and reading it back."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from opcheck.errors import CannotCheckError
from opcheck.formats import FORMATS, Style
from opcheck.report import Report, reading, schema


def test_the_schema_is_up_to_date() -> None:
    """Write it again with ``python -m opcheck.report.schema``."""
    assert schema.PATH.read_text(encoding="utf-8") == schema.generate()


def test_the_names_that_scripts_rely_on() -> None:
    document = msgspec.json.decode(schema.generate())["$defs"]

    def keys(name: str) -> set[str]:
        return set(document[name]["properties"])

    assert keys("Report") >= {
        "schema_version",
        "tool",
        "model",
        "environment",
        "results",
        "verdict",
    }
    assert keys("Model") >= {"path", "sha256", "format", "keras_version", "layers", "hazards"}
    assert keys("LayerNode") >= {"path", "class_name", "module", "kind"}
    assert keys("Environment") >= {"tensorflow", "keras", "mismatch"}
    assert keys("Result") >= {
        "target",
        "match",
        "step",
        "evidence",
        "ops",
        "layers",
        "summary",
        "findings",
        "disagreements",
    }
    assert keys("Op") >= {
        "name",
        "op",
        "layer",
        "function",
        "dtypes",
        "verdict",
        "evidence",
        "reason",
        "cost",
    }
    assert keys("LayerSummary") == {
        "path",
        "ops",
        "accelerator",
        "host_pinned",
        "cpu",
        "fails",
        "unknown",
    }
    assert keys("Finding") >= {"code", "severity", "message", "layer", "ops", "fix", "fingerprint"}
    assert keys("GateVerdict") >= {"passed", "failures"}


def test_the_counts_add_up(report: Report) -> None:
    for result in report.results:
        s = result.summary
        verdicts = s.accelerator + s.host_pinned + s.cpu + s.fails + s.unknown
        assert s.ops == len(result.ops) == verdicts == sum(layer.ops for layer in result.layers)
        assert s.leave == s.cpu + s.host_pinned
        assert s.matter <= s.leave
        for name in ("accelerator", "host_pinned", "cpu", "fails", "unknown"):
            assert getattr(s, name) == sum(getattr(layer, name) for layer in result.layers)


def test_mismatch_is_in_the_environment(report: Report) -> None:
    found = {(m.target, m.package, m.traced, m.supported) for m in report.environment.mismatch}
    assert found == {
        ("directml@0.4.0", "TensorFlow", "2.18.1", "2.10"),
        ("directml@0.4.0", "Keras", "3.6.0", "2"),
    }


def test_a_step_without_a_graph(report: Report) -> None:
    result = report.results[3]
    assert result.evidence is None
    assert result.ops == ()
    assert result.incomplete == ("ValueError: no gradient for block/gate",)
    assert result.trace.error == "ValueError: no gradient for block/gate"


def test_read_gives_the_report_back(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(FORMATS["json"](report, Style()), encoding="utf-8")
    assert reading.read(path) == report


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not an opcheck report"),
        ("[]", "is not an opcheck report"),
        ('{"a": 1}', "is not an opcheck report"),
        ("\x00\xff", "is not an opcheck report"),
        ('{"schema_version": "2.0"}', "has report schema 2.0; this opcheck reads 1.0"),
        ('{"schema_version": "1.0"}', "is damaged"),
        ('{"schema_version": "1.0", "tool": {"name": "\xd7"}}', "is damaged"),
    ],
)
def test_what_is_no_report(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(CannotCheckError, match=message):
        reading.read(path)


def test_a_missing_report(tmp_path: Path) -> None:
    with pytest.raises(CannotCheckError, match="cannot be read"):
        reading.read(tmp_path / "missing.json")
