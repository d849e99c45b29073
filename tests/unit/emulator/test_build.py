"""Finding a compiler, keeping what it built, and what is said when there is none."""

from __future__ import annotations

import importlib
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from opcheck.emulator.build import Installed, build
from opcheck.errors import EmulatorError

module = importlib.import_module("opcheck.emulator.build")  # the package exports its function

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is built on Windows")

# Writes its arguments to the file after -o, and a line to `calls` beside itself.
COMPILER = """#!/bin/sh
[ "$1" = --version ] && { echo "fake 1.0"; exit; }
echo call >> "$(dirname "$0")/calls"
while [ "$1" != -o ]; do shift; done
sleep 0.3
echo built > "$2"
"""
BROKEN = """#!/bin/sh
[ "$1" = --version ] && { echo "fake 1.0"; exit; }
echo "device.cc: In function 'f'" >&2
echo "device.cc:1:1: fatal error: tensorflow/c/tf_status.h: No such file" >&2
exit 1
"""


@pytest.fixture(autouse=True)
def tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Installed("2.18.1", "v2.18.0-14", "/lib", ("-I/include", "--std=c++17"), ("-ltf",))
    monkeypatch.setattr(module, "installed", lambda: here)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin" / "fake++"
    path.parent.mkdir()
    path.write_text(COMPILER)
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    return path


def calls(compiler: Path) -> int:
    return len((compiler.parent / "calls").read_text().splitlines())


def test_it_is_built_once(compiler: Path, tmp_path: Path) -> None:
    library = build(tmp_path / "cache")
    assert library.read_text() == "built\n"
    assert library.name.startswith("device-2.18.1-")
    assert build(tmp_path / "cache") == library
    assert calls(compiler) == 1


def test_two_at_once_build_one(compiler: Path, tmp_path: Path) -> None:
    threads = [threading.Thread(target=build, args=(tmp_path / "cache",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls(compiler) == 1
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_another_compiler_or_tensorflow_is_another_library(
    compiler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(tmp_path / "cache")
    monkeypatch.setenv("CXX", f"{compiler} -stdlib=libc++")
    second = build(tmp_path / "cache")
    newer = Installed("2.18.1", "v2.18.0-15", "/lib", (), ())
    monkeypatch.setattr(module, "installed", lambda: newer)
    assert len({first, second, build(tmp_path / "cache")}) == 3


def test_a_failed_build_says_why_and_leaves_nothing(compiler: Path, tmp_path: Path) -> None:
    compiler.write_text(BROKEN)
    with pytest.raises(EmulatorError) as caught:
        build(tmp_path / "cache")
    assert "for TensorFlow 2.18.1: device.cc:1:1: fatal error" in caught.value.message
    assert not list((tmp_path / "cache").rglob("*.so"))
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulatorError, match="no C\\+\\+ compiler") as caught:
        build(tmp_path / "cache")
    assert caught.value.hint is not None
    assert "apt-get install g++" in caught.value.hint


def test_a_compiler_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    with pytest.raises(EmulatorError, match="CXX names no-such-compiler"):
        build(tmp_path / "cache")


@pytest.mark.usefixtures("compiler")
def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmulatorError, match="could not be stored"):
        build(tmp_path / "file")


def test_nobody_else_can_write_where_it_is_kept(compiler: Path, tmp_path: Path) -> None:
    (tmp_path / "cache" / "emulator").mkdir(parents=True)
    (tmp_path / "cache" / "emulator").chmod(0o777)
    library = build(tmp_path / "cache")
    for path in (library, library.parent):
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    assert [path.name for path in library.parent.iterdir()] == [library.name]
    assert calls(compiler) == 1


def test_what_another_could_have_written_is_built_again(compiler: Path, tmp_path: Path) -> None:
    library = build(tmp_path / "cache")
    library.write_text("planted")
    library.chmod(0o777)
    assert build(tmp_path / "cache").read_text() == "built\n"
    elsewhere = tmp_path / "planted.so"
    elsewhere.write_text("planted")
    library.unlink()
    library.symlink_to(elsewhere)
    library.with_suffix(".partial").symlink_to(elsewhere)
    assert build(tmp_path / "cache").read_text() == "built\n"
    assert elsewhere.read_text() == "planted"
    assert calls(compiler) == 3
    if os.geteuid() == 0:
        library.write_text("planted")
        os.chown(library, 12345, -1)
        assert build(tmp_path / "cache").read_text() == "built\n"


@pytest.mark.usefixtures("compiler")
def test_a_cache_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "cache" / "emulator").symlink_to(tmp_path / "theirs")
    with pytest.raises(EmulatorError, match="is a link, or belongs to another user"):
        build(tmp_path / "cache")
    if os.geteuid() == 0:
        (tmp_path / "cache" / "emulator").unlink()
        (tmp_path / "cache" / "emulator").mkdir()
        os.chown(tmp_path / "cache" / "emulator", 12345, -1)
        with pytest.raises(EmulatorError, match="belongs to another user"):
            build(tmp_path / "cache")
    assert list((tmp_path / "theirs").iterdir()) == []
