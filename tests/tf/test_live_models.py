"""A live model is judged as the file it would be saved to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("live_models.py")


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("live")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_live_model_is_judged_as_its_file(answer: dict[str, object]) -> None:
    assert answer["equal"]
    assert answer["ops"] > 100
    assert answer["training"] == answer["saved_training"]
    assert answer["format"] == "live"


def test_its_own_layers_and_lambdas_run(answer: dict[str, object]) -> None:
    """They run here already, so nothing new is trusted."""
    assert ["Inverse", "custom"] in answer["custom_layers"]
    assert ["Lambda", "lambda"] in answer["custom_layers"]
    assert "MatrixInverse" in answer["custom_ops"]
    assert answer["custom_unknown"] == 0
    assert answer["custom_gaps"] == []


def test_in_this_process_nothing_is_rebuilt_run_or_changed(answer: dict[str, object]) -> None:
    steps = {step: (ops, evidence, unknown) for step, ops, evidence, unknown in answer["here"]}
    assert set(steps) == {"inference", "training"}
    for ops, evidence, unknown in steps.values():
        assert ops > 3
        assert evidence == "predicted"
        assert unknown == 0
    assert {"dense", "square"} <= {name.rstrip("_0123456789") for name in answer["here_layers"]}
    assert answer["unchanged"]
