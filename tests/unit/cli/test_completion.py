"""The completion script, in the shell it is for."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Opcheck = Callable[..., tuple[int, str, str]]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("opcheck", "sc"), "scan"),
        (("opcheck", "check", "--evi"), "--evidence"),
        (("opcheck", "check", "--evidence", "tr"), "traced"),
        (("opcheck", "check", "some"), "some.h5"),
    ],
)
def test_bash_completes(
    words: tuple[str, ...], expected: str, opcheck: Opcheck, tmp_path: Path
) -> None:
    code, script, _ = opcheck("completion", "bash")
    assert code == 0
    (tmp_path / "some.h5").touch()
    (tmp_path / "completion.sh").write_text(script, "utf-8")
    ask = (
        f"source completion.sh; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
        '_shtab_opcheck; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(
        ["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.stdout.split() == [expected], ran.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_command_is_in_it(shell: str, opcheck: Opcheck) -> None:
    code, script, _ = opcheck("completion", shell)
    assert code == 0
    for command in ("check", "scan", "registry", "--custom-objects"):
        assert command.lstrip("-") in script
