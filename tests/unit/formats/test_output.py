"""Files are written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opcheck.errors import UsageError
from opcheck.formats import output


def test_write_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text("old", encoding="utf-8")
    output.write("größer\n", str(path))
    assert path.read_text(encoding="utf-8") == "größer\n"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.txt"
    path.write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UsageError, match="No space left"):
        output.write("new", str(path))
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old", encoding="utf-8")
    link.symlink_to(real)
    output.write("new", str(link))
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "new"


@pytest.mark.skipif(os.name == "nt", reason="no umask")
def test_a_report_is_as_readable_as_any_new_file(tmp_path: Path) -> None:
    output.write("x", str(tmp_path / "report.txt"))
    (tmp_path / "other").touch()
    assert (tmp_path / "report.txt").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_device_is_written_to(tmp_path: Path) -> None:
    output.write("x", os.devnull)
    assert not list(tmp_path.iterdir())


def test_check_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("-", os.devnull, str(tmp_path / "new.json")):
        output.check_writable(name)
    with pytest.raises(UsageError, match="is a folder"):
        output.check_writable(str(tmp_path))
    with pytest.raises(UsageError, match="no folder"):
        output.check_writable(str(tmp_path / "missing" / "new.json"))
    (tmp_path / "link.json").symlink_to(tmp_path / "missing" / "new.json")
    with pytest.raises(UsageError, match=r"no folder .*missing"):
        output.check_writable(str(tmp_path / "link.json"))
    with pytest.raises(UsageError, match=r"x cannot be written: .*long"):
        output.check_writable(str(tmp_path / ("x" * 300)))
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != tmp_path)
    output.check_writable(os.devnull)
    with pytest.raises(UsageError, match="permission denied"):
        output.check_writable(str(tmp_path / "new.json"))


def test_a_reader_that_leaves_is_no_error() -> None:
    code = "from opcheck.formats import output\nfor _ in range(9): output.write('x' * 99999, '-')"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""


WRITES = "from opcheck import cli\ncli.main(['explain', 'OPC101'])"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    ("where", "says"),
    [
        (">&-", "opcheck: Standard output is closed.\n"),
        (">/dev/full", "opcheck: Standard output cannot be written: No space left on device.\n"),
        (">/dev/full 2>&-", ""),
        (">&- 2>/dev/full", ""),
    ],
)
def test_output_that_goes_nowhere_is_an_error(where: str, says: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {where}', sys.executable, WRITES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, says)
