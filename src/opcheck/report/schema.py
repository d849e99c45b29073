"""The JSON Schema of a report, generated from its types.

python -m opcheck.report.schema     writes src/opcheck/report/schema-1.0.json again
"""

from __future__ import annotations

import inspect
from pathlib import Path

import msgspec

from opcheck.report.types import SCHEMA_VERSION, Report

PATH = Path(__file__).with_name(f"schema-{SCHEMA_VERSION}.json")


def generate() -> str:
    """The schema's text, the same on every Python."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"opcheck report {SCHEMA_VERSION}",
        **_dedented(msgspec.json.schema(Report)),
    }
    return (
        msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2).decode() + "\n"
    )


def _dedented(schema: dict[str, object]) -> dict[str, object]:
    """Descriptions are docstrings; Python dedents those itself since 3.13."""
    found: dict[str, object] = {}
    for key, value in schema.items():
        if key == "description" and isinstance(value, str):
            found[key] = inspect.cleandoc(value)
        else:
            found[key] = _dedented(value) if isinstance(value, dict) else value
    return found


if __name__ == "__main__":
    PATH.write_text(generate(), encoding="utf-8")
