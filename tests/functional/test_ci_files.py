"""The files that other people's CI reads: they parse, and the action's script does what it says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from installed_command import FIXTURES, ROOT, environment

from opcheck.cli import parser

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


DOCS = (ROOT / "docs" / "ci.md").read_text("utf-8")
RECIPES = re.findall(r"^```yaml\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_yaml_and_its_options_exist(recipe: str) -> None:
    text = recipe.replace("<where opcheck's repository is>", "https://example.org/opcheck")
    assert yaml.safe_load(text)
    for words in commands(yaml.safe_load(text)):
        parser().parse(words if words[0] in ("merge", "scan") else ["check", *words])


def commands(value: object) -> Iterator[list[str]]:
    """Every `opcheck ...` in a document, and the hook's arguments."""
    if isinstance(value, dict):
        if value.get("id") == "opcheck":
            yield ["scan", "model.keras", *value["args"]]
        for item in value.values():
            yield from commands(item)
    elif isinstance(value, list):
        for item in value:
            yield from commands(item)
    elif isinstance(value, str) and value.startswith("opcheck "):
        yield shlex.split(re.sub(r"\$\{\{.*?\}\}", "x", value))[1:]


def check(
    folder: Path, models: str, targets: str = "", args: str = "", **changes: str
) -> subprocess.CompletedProcess[str]:
    variables = {
        **environment(**changes),
        "MODELS": models,
        "TARGETS": targets,
        "ARGS": args,
        "REPORTS": str(folder / "reports"),
        "GITHUB_JOB": "lint",
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
    reports = tmp_path / "reports" / "1"
    codes = [
        json.loads((reports / f"{n}.json").read_text("utf-8"))["verdict"]["passed"] for n in (1, 2)
    ]
    assert codes == [True, False]
    assert not (reports / "3.json").exists()
    comment = (reports / "comment.md").read_text("utf-8")
    assert re.match(r"<!-- opcheck lint \d+ 1 -->\n### ", comment)
    assert "could not check a model (exit code 2)" in comment
    assert "Conv3D" in comment
    levels = [line.split(" ")[0] for line in ran.stdout.splitlines()[:3]]
    assert levels == ["::notice", "::error", "::error"]  # the verdicts come first
    assert "\npwned" not in ran.stdout
    assert (tmp_path / "output").read_text("utf-8") == f"reports={reports}\n"
    assert (tmp_path / "summary").read_text("utf-8") == comment.partition("\n")[2]
    runs = [json.loads((reports / f"{n}.sarif").read_text("utf-8"))["runs"] for n in (1, 2)]
    categories = {run["automationDetails"]["id"] for (run,) in runs}
    assert len(categories) == 2  # GitHub refuses two of one upload that are the same


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_no_model_is_no_pass(tmp_path: Path) -> None:
    assert check(tmp_path, " \n").returncode == 3


def replaced(folder: Path, script: str) -> str:
    """PATH with a script in the place of `opcheck`."""
    command = folder / "opcheck"
    command.write_text(f"#!/bin/sh\n{script}", "utf-8")
    command.chmod(0o755)
    return f"{folder}:{environment()['PATH']}"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_each_leg_and_each_use_in_a_job_has_reports_and_a_comment_of_its_own(
    tmp_path: Path,
) -> None:
    """Where the second use says nothing, the reports of the first must not speak for it."""
    talks = replaced(
        tmp_path,
        'for word; do case "$word" in *.md) echo "### passed" >"$word";;'
        ' *.github) echo "::notice::passed" >"$word";; esac; done\n',
    )
    first = check(tmp_path, "a\n", PATH=talks, MATRIX='{"os": "a"}')
    second = check(tmp_path, "a\n", PATH=replaced(tmp_path, "exit 2\n"), MATRIX='{"os": "a"}')
    assert (first.returncode, second.returncode) == (0, 2)
    assert "could not be checked" in second.stdout
    comments = [tmp_path / "reports" / str(use) / "comment.md" for use in (1, 2)]
    before, after = (comment.read_text("utf-8") for comment in comments)
    assert "passed" in before
    assert "passed" not in after
    folders = (tmp_path / "output").read_text("utf-8").splitlines()
    assert folders == [f"reports={comment.parent}" for comment in comments]
    leg = tmp_path / "leg"
    leg.mkdir()
    check(leg, "a\n", PATH=talks, MATRIX='{"os": "b"}')
    other = (leg / "reports" / "1" / "comment.md").read_text("utf-8")
    assert len({text.splitlines()[0] for text in (before, after, other)}) == 3


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_options_on_several_lines_are_all_given(tmp_path: Path) -> None:
    path = replaced(tmp_path, f'printf "%s\\n" "$@" >{tmp_path}/words\n')
    check(tmp_path, "a\n", "metal@1.2.0", "--step training\n--fail-on warning\n", PATH=path)
    words = (tmp_path / "words").read_text("utf-8").split("--format")[0].split()
    assert words[1:] == ["--target", "metal@1.2.0", "--step", "training", "--fail-on", "warning"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_a_comment_has_room_for_the_verdict_of_every_model(tmp_path: Path) -> None:
    """`opcheck` is replaced: what it would say of three large models."""
    path = replaced(
        tmp_path,
        'while [ "$1" ]; do case "$1" in *.md) md="$1";; *.github) gh="$1";; esac; shift; done\n'
        'echo "::notice::passed" >"$gh"\n'
        'printf "### passed\\n\\nmodel\\n\\n" >"$md"\n'
        'head -c 30000 /dev/zero | tr "\\0" x >>"$md"\n',
    )
    ran = check(tmp_path, "a\nb\nc\n", PATH=path)
    assert ran.returncode == 0, ran.stderr
    comment = (tmp_path / "reports" / "1" / "comment.md").read_text("utf-8")
    assert len(comment) < 65_536
    assert comment.count("### passed") == 3
    assert comment.count("The rest is in the summary of this run.") == 1
    assert (tmp_path / "summary").read_text("utf-8").count("x" * 30_000) == 3


_GH = """#!/bin/sh
echo "$@" >>{log}
case "$*" in *--paginate*) echo "$MARKER" >>{log}; printf '{ids}';; esac
exit {code}
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("ids", "code", "expected"),
    [
        ("", 0, "--method POST repos/o/r/issues/7/comments -F body=@"),
        ("11\\n42\\n", 0, "--method PATCH repos/o/r/issues/comments/42 -F body=@"),
        ("", 1, None),
    ],
)
def test_the_comment_is_found_again(
    ids: str, code: int, expected: str | None, tmp_path: Path
) -> None:
    """`gh` is replaced; a refusal, as in a fork's pull request, is a warning and no failure."""
    log = tmp_path / "log"
    gh = tmp_path / "gh"
    gh.write_text(_GH.format(log=log, ids=ids, code=code), "utf-8")
    gh.chmod(0o755)
    (tmp_path / "comment.md").write_text("<!-- opcheck lint -->\ntext\n", "utf-8")
    ran = subprocess.run(
        ["bash", str(ROOT / ".github" / "comment.sh")],
        env=environment(
            PATH=f"{tmp_path}:{environment()['PATH']}",
            REPORTS=str(tmp_path),
            GITHUB_REPOSITORY="o/r",
            NUMBER="7",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    asked = log.read_text("utf-8")
    assert "<!-- opcheck lint -->" in asked
    if expected is None:
        assert ran.stdout.startswith("::warning title=opcheck::The comment could not be written")
    else:
        assert expected in asked
        assert ran.stdout == ""
