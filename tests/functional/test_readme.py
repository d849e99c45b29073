"""README.md does what it says, with the installed command.

By the language of a code block: ``sh`` lines are run, and must exit 0 or as their "# exits N" says;
``console`` is run, and must print what is shown ("..." stands for anything); ``python`` is
run; ``toml`` is read as a configuration; ``text`` is for the eye only. There are no others.
"""

from __future__ import annotations

import doctest
import re
import shlex
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest
from installed_command import FIXTURES, ROOT, Runner, environment, run

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
LINES = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
MAKE = [line for line in LINES if line.startswith("make ")]
COMMANDS = [line for line in LINES if not line.startswith("make ")]


def blocks(language: str) -> list[str]:
    found = [text for name, text in BLOCKS if name == language]
    assert found
    return found


def test_every_block_says_what_it_is() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "console", "python", "toml", "text"}
    assert README.count("```") == 2 * len(BLOCKS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Looks like the checkout to the examples, which may leave files in it."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "fixtures").symlink_to(FIXTURES)
    return folder


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command(line: str, folder: Path) -> None:
    command, _, comment = line.partition("#")
    expected = re.match(r" exits (\d)", comment)
    ran = run(["sh", "-c", command], folder)
    assert ran.code == (int(expected[1]) if expected else 0), ran.err
    assert ran.out


@pytest.mark.parametrize("line", MAKE)
def test_a_make_target(line: str) -> None:
    """``.ci/run`` runs them; here it is enough that they exist."""
    assert run([*shlex.split(line), "--dry-run"]).code == 0
    assert line in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("text", blocks("console"))
def test_a_shown_report(text: str, folder: Path) -> None:
    command, _, shown = text.removeprefix("$ ").partition("\n")
    ran = run(["sh", "-c", command], folder)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(shown, ran.out, flags):
        pytest.fail(f"README.md shows another output than this:\n{ran.out}{ran.err}")


@pytest.mark.parametrize("text", blocks("python"))
def test_an_example(text: str, folder: Path) -> None:
    ran = run([sys.executable, "-c", text], folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_configuration(text: str, tmp_path: Path) -> None:
    from opcheck import Options, config

    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert config.load({}, start=tmp_path, environment={}) != Options()


def test_the_table_of_extras() -> None:
    shown = set(re.findall(r"^\| `(\w+)` \| ", README, re.MULTILINE))
    assert shown == set(metadata("opcheck").get_all("Provides-Extra")) - {
        "browser",
        "dev",
        "docs",
        "test",
    }
    assert "pip install 'opcheck[tf]'" in README


def test_the_links() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link


def test_it_names_every_subcommand(opcheck: Runner) -> None:
    listed = re.search(r"\{([\w,]+)\}|COMMAND\n((?: +\w+ .*\n)+)", opcheck("--help").out)
    assert listed
    names = re.findall(r"^ +(\w+) ", listed[2], re.MULTILINE)
    assert {"check", "inspect", "report"} <= set(names)
    for name in set(names) - {"check"}:
        assert f"opcheck {name}" in README


def test_the_environment_is_clean() -> None:
    assert not [name for name in environment() if name.startswith("OPCHECK_")]
