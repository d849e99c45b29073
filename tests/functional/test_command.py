"""The command's manners: exit codes, what goes where, what needs no TensorFlow."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from installed_command import FIXTURES, ROOT, Runner

MODEL = FIXTURES / "mnist_cnn-k2.10.h5"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("check",),
        ("inspect",),
        ("chekc", MODEL),
        ("--no-such-option", MODEL),
        ("check", MODEL, "--fail-on", "sometimes"),
        ("check", MODEL, "--format", "yaml"),
        ("check", MODEL, "--step", "half"),
        ("check", MODEL, "--batch-size", "0"),
        ("check", MODEL, "--timeout", "soon"),
        ("check", MODEL, "-o", "no/such/folder/report.txt"),
        ("check", MODEL, "--format", "json", "-o", "a.json", "-o", "b.json"),
        ("check", MODEL, "--format", "json", "--format", "text"),
        ("check", MODEL, MODEL),
        ("check", "-t", "metal@one,two", MODEL),
        ("explain", "OPC999"),
    ],
    ids=lambda arguments: " ".join(Path(str(a)).name for a in arguments) or "nothing",
)
def test_wrong_usage(arguments: tuple[object, ...], opcheck: Runner, tmp_path: Path) -> None:
    ran = opcheck(*arguments)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("opcheck: ")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_target(opcheck: Runner) -> None:
    ran = opcheck("check", MODEL, "-t", "plaidml")
    assert (ran.code, ran.out) == (2, "")
    assert "plaidml" in ran.err
    assert "metal" in ran.err


def test_a_wrong_configuration(opcheck: Runner, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.opcheck]\nfail_on = 'never'\n")
    ran = opcheck("check", MODEL)
    assert (ran.code, ran.out) == (3, "")
    assert "Did you mean fail-on?" in ran.err


def test_a_wrong_variable(opcheck: Runner) -> None:
    ran = opcheck("check", MODEL, OPCHECK_STEPS="both")
    assert (ran.code, ran.out) == (3, "")
    assert "OPCHECK_STEP" in ran.err


def test_version_and_help(opcheck: Runner) -> None:
    assert opcheck("--version").out == f"opcheck {version('opcheck')}\n"
    for arguments in (["--help"], ["check", "--help"], ["inspect", "--help"]):
        ran = opcheck(*arguments)
        assert (ran.code, ran.err) == (0, "")
        assert "usage: opcheck" in ran.out


@pytest.mark.parametrize("arguments", [["targets"], ["doctor"], ["explain", "OPC101"]])
def test_it_tells_about_itself(arguments: list[str], opcheck: Runner) -> None:
    ran = opcheck(*arguments)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("\n")
    assert str(ROOT) not in ran.out
