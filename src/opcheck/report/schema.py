"""The JSON Schema of a report, generated from its types.

python -m opcheck.report.schema     writes src/opcheck/report/schema-1.0.json again
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from opcheck.report.types import SCHEMA_VERSION, Report

PATH = Path(__file__).with_name(f"schema-{SCHEMA_VERSION}.json")


def generate() -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"opcheck report {SCHEMA_VERSION}",
        **msgspec.json.schema(Report),
    }
    return (
        msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2).decode() + "\n"
    )


if __name__ == "__main__":
    PATH.write_text(generate(), encoding="utf-8")
