"""Whatever the TensorFlow process does, the parent gets an answer or a clear error."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest

from opcheck.errors import (
    BuildError,
    MissingTensorFlowError,
    OpcheckError,
    WorkerError,
    WorkerTimeoutError,
)
from opcheck.loading import ModelSource
from opcheck.worker import WorkerReply, WorkerRequest, client

REQUEST = WorkerRequest(ModelSource("m.h5", "hdf5", "", None, None, (), ()), ("inference",))
REPLY = (
    '{"environment": {"python": "3", "system": "L", "machine": "x", "tensorflow": "2", '
    '"keras": "3", "keras_package": "keras"}, "layers": [], "steps": []}'
)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Replaces the worker by a script; its folder is the variable ``folder``."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def become(script: str) -> None:
        path = tmp_path / "worker.py"
        head = "import os, signal, sys, time, pathlib\nfolder = pathlib.Path(sys.argv[1])\n"
        path.write_text(head + textwrap.dedent(script))
        monkeypatch.setattr(
            client, "_command", lambda folder: [sys.executable, str(path), str(folder)]
        )

    return become


def run(**more: object):
    return client.run(REQUEST, timeout=20, **more)  # type: ignore[arg-type]


def left_behind(tmp_path: Path) -> list[str]:
    return [p.name for p in tmp_path.iterdir() if p.name != "worker.py"]


def test_the_answer_and_the_stages(worker, tmp_path: Path) -> None:
    worker(f"""
        assert b'"m.h5"' in (folder / "request.json").read_bytes()
        (folder / "progress").write_text("importing\\nbuilding\\n")
        time.sleep(0.3)
        (folder / "reply.json").write_text({REPLY!r})
    """)
    stages: list[str] = []
    assert run(progress=stages.append).environment.keras == "3"
    assert stages == ["importing", "building"]
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("slug", "kind"),
    [("build-failed", BuildError), ("no-tensorflow", MissingTensorFlowError)],
)
def test_a_failure_it_understood(worker, slug: str, kind: type[OpcheckError]) -> None:
    worker(f"""
        (folder / "failure.json").write_text(
            '{{"slug": "{slug}", "message": "Why.", "hint": "Do."}}')
        sys.exit(1)
    """)
    with pytest.raises(kind) as caught:
        run()
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.hint) == ("Why.", "Do.")


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("signal", "says"),
    [("SIGSEGV", "TensorFlow crashed with SIGSEGV"), ("SIGKILL", "for lack of memory")],
)
def test_a_crash(worker, tmp_path: Path, signal: str, says: str) -> None:
    worker(f"""
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.{signal})
    """)
    with pytest.raises(WorkerError, match=says):
        run()
    assert left_behind(tmp_path) == []


def test_a_hang_ends_and_leaves_no_process(worker, tmp_path: Path) -> None:
    worker("""
        (folder / "progress").write_text("tracing the training step\\n")
        (folder.parent / "pid").write_text(str(os.getpid()))
        time.sleep(600)
    """)
    with pytest.raises(
        WorkerTimeoutError, match=r"within 2 s \(it was tracing the training step\)"
    ):
        client.run(REQUEST, timeout=2)
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_interrupt_leaves_no_process(worker, tmp_path: Path) -> None:
    worker("""
        (folder.parent / "pid").write_text(str(os.getpid()))
        (folder / "progress").write_text("importing\\n")
        time.sleep(600)
    """)

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(progress=interrupt)
    assert time.monotonic() - started < 15
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert left_behind(tmp_path) == ["pid"]


def test_two_side_by_side_and_one_of_them_crashes(
    worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have started before either ends."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    worker(f"""
        second = b'"metal"' in (folder / "request.json").read_bytes()
        mine, other = ("b", "a") if second else ("a", "b")
        (folder.parent / mine).touch()
        while not (folder.parent / other).exists():
            time.sleep(0.01)
        (folder / "progress").write_text("importing\\n")
        if second:
            os.kill(os.getpid(), signal.SIGKILL)
        (folder / "reply.json").write_text({REPLY!r})
    """)
    requests = (
        msgspec.structs.replace(REQUEST, emulate="directml"),
        msgspec.structs.replace(REQUEST, emulate="metal"),
    )
    stages: list[str] = []
    reply, error = client.run_all(requests, timeout=20, progress=stages.append)
    assert isinstance(reply, WorkerReply)
    assert isinstance(error, WorkerError)
    assert sorted(stages) == ["directml: importing", "metal: importing"]
    assert sorted(left_behind(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("answer", ["", "{", "[]", '{"environment": 3}', '{"steps": []}'])
def test_nonsense_is_no_answer(worker, answer: str) -> None:
    worker(f"(folder / 'reply.json').write_text({answer!r})")
    with pytest.raises(WorkerError, match="unreadable answer"):
        run()


def test_no_answer_at_all(worker) -> None:
    worker("print('ImportError: libfoo.so', file=sys.stderr); sys.exit(3)")
    with pytest.raises(WorkerError, match=r"status 3 and no answer.*libfoo"):
        run()


def test_nothing_it_prints_reaches_the_terminal(worker, capfd: pytest.CaptureFixture[str]) -> None:
    worker(f"""
        os.write(1, b"native noise"); os.write(2, b"more noise")
        (folder / "reply.json").write_text({REPLY!r})
    """)
    run()
    assert capfd.readouterr() == ("", "")
