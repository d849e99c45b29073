"""The files that other people's CI reads: they parse, and the action's script does what it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from installed_command import FIXTURES, ROOT, environment

SCRIPT = ROOT / ".github" / "check-models.sh"


def test_the_action_hands_its_inputs_over_as_variables() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    steps = action["runs"]["steps"]
    for step in steps:
        assert "${{" not in step.get("run", ""), "an input in a script is an injection"
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text("utf-8")))
    assert used == set(action["inputs"])


def test_the_hook_is_a_command_of_ours() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert hook["entry"] == "opcheck scan"
    assert re.search(hook["files"], "models/a.keras")
    assert not re.search(hook["files"], "notes.txt")


def check(
    folder: Path, models: str, targets: str = "", args: str = ""
) -> subprocess.CompletedProcess[str]:
    variables = {
        **environment(),
        "MODELS": models,
        "TARGETS": targets,
        "ARGS": args,
        "REPORTS": str(folder / "reports"),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }
    return subprocess.run(
        ["bash", str(SCRIPT)],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_worst_code_of_all_models(tmp_path: Path) -> None:
    for name in ("mnist_cnn-k3.15.keras", "cnn3d-k3.15.keras"):
        shutil.copy(FIXTURES / name, tmp_path)
    (tmp_path / "broken; echo pwned.h5").write_text("no model")
    models = "  mnist_cnn-k3.15.keras\n\ncnn3d-k3.15.keras\nbroken; echo pwned.h5\n"
    ran = check(tmp_path, models, "  metal@1.2.0\n", "--step inference --evidence predicted")
    assert ran.returncode == 2, ran.stderr
    reports = tmp_path / "reports"
    codes = [
        json.loads((reports / f"{n}.json").read_text("utf-8"))["verdict"]["passed"] for n in (1, 2)
    ]
    assert codes == [True, False]
    assert not (reports / "3.json").exists()
    comment = (reports / "comment.md").read_text("utf-8")
    assert "could not check a model (exit code 2)" in comment
    assert "Conv3D" in comment
    assert "::error" in ran.stdout
    assert "\npwned" not in ran.stdout
    assert (tmp_path / "output").read_text("utf-8") == f"reports={reports}\n"
    assert (tmp_path / "summary").read_text("utf-8") == comment


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_no_model_is_no_pass(tmp_path: Path) -> None:
    assert check(tmp_path, " \n").returncode == 3
