"""Test runs inside tests (pytester). The check itself is replaced: the plugin is what is tested.

tests/tf/test_live_models.py has the same assertions with real models.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"

# Records what it was asked, and answers with the canonical report's results on the targets named.
_CONFTEST = """
from pathlib import Path

import msgspec
import pytest

from opcheck.report import baseline, gate
from opcheck.report.reading import read

REPORT = Path({snapshots!r}) / "canonical.json"


@pytest.fixture(autouse=True)
def canned(monkeypatch, pytestconfig):
    def check(model, targets=(), options=None, progress=None):
        with open(pytestconfig.rootpath / "asked.txt", "a") as log:
            print(*(targets or options.targets), options.step, options.evidence, file=log)
        report = read(REPORT)
        results = tuple(
            result
            for result in report.results
            if result.target in (targets or options.targets)
            and options.step in ("both", result.step)
        )
        report = msgspec.structs.replace(report, results=results)
        return gate.judge(report, options, baseline.named_by(options))

    monkeypatch.setattr("opcheck.pipeline.check", check)
"""


@pytest.fixture
def run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    """Runs a test file in a process of its own, with this checkout's plugin."""
    for name in ("PYTEST_ADDOPTS", "OPCHECK_TARGETS", "OPCHECK_STEP"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest(_CONFTEST.format(snapshots=str(SNAPSHOTS)))
    (pytester.path / "m.h5").touch()
    installed = any(point.name == "opcheck" for point in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "opcheck.pytest_plugin")

    def go(source: str, *words: str) -> pytest.RunResult:
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess(*plugin, *words)

    return go


@pytest.fixture
def asked(pytester: pytest.Pytester) -> Callable[[], list[str]]:
    """What the check was asked: targets, step, evidence."""
    return lambda: (pytester.path / "asked.txt").read_text("utf-8").splitlines()
