"""The command, the schema, and what ``inspect`` says of every fixture."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from installed_command import EXPECTED, FIXTURES, OPCHECK, Ran, Runner, environment, run


@pytest.fixture
def opcheck(tmp_path: Path) -> Runner:
    """``opcheck("inspect", path)``, in an empty folder."""

    def run_opcheck(*arguments: object, cwd: Path = tmp_path, **changes: str) -> Ran:
        return run([str(OPCHECK), *map(str, arguments)], cwd, environment(**changes))

    return run_opcheck


@pytest.fixture(scope="session")
def inspections() -> dict[str, Ran]:
    """``opcheck inspect --format json`` of every fixture, by its name."""
    assert len(EXPECTED) > 100

    def inspect(name: str) -> tuple[str, Ran]:
        return name, run([str(OPCHECK), "inspect", str(FIXTURES / name), "--format", "json"])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(pool.map(inspect, EXPECTED))


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """The JSON Schema that the installed package ships."""
    import opcheck.report

    path = Path(opcheck.report.__file__).with_name("schema-1.0.json")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    return document


@pytest.fixture(scope="session")
def validate(schema: dict[str, Any]) -> Callable[..., None]:
    """``validate(document)`` as a report, ``validate(document, "Model")`` as a part of one."""

    def check(document: object, part: str = "Report") -> None:
        selected = {**schema, "$ref": f"#/$defs/{part}"}
        jsonschema.Draft202012Validator(selected).validate(document)

    return check
