"""Whatever the TensorFlow process does, the parent gets an answer or a clear error."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
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
from opcheck.worker import FixRequest, WorkerReply, WorkerRequest, client

FIXTURE = Path(__file__).parents[3] / "fixtures" / "mnist_cnn-k2.10.h5"
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


@pytest.mark.skipif(os.name != "posix", reason="links and fifos")
@pytest.mark.parametrize(
    "plant",
    [
        "os.symlink('/etc/passwd', folder / 'reply.json')",
        "os.mkfifo(folder / 'reply.json')",
        "os.mkdir(folder / 'reply.json')",
        "os.mkfifo(folder / 'progress'); os.truncate(folder / 'log', 0); time.sleep(0.2)",
        "os.symlink('/dev/zero', folder / 'failure.json')",
        "open(folder / 'reply.json', 'wb').truncate(10 * 2**30)",
        "open(folder / 'progress', 'wb').truncate(10 * 2**30); time.sleep(0.2)",
        "(folder / 'reply.json').write_text('[' * 10**6)",
        "(folder / 'reply.json').write_text('{\"x\":' * 10**5)",
        "(folder / 'reply.json').write_bytes(b'{\"environment\": \"\\xff\"}')",
        '(folder / \'failure.json\').write_text(\'{"slug": "__class__", "message": "x"}\')',
        "os.mkdir(folder / 'tmp' / 'x'); os.chmod(folder / 'tmp' / 'x', 0)",
    ],
)
def test_a_worker_that_lies(worker, tmp_path: Path, plant: str) -> None:
    """Whatever is in its folder: an error, soon, and nothing is left."""
    worker(plant)
    started = time.monotonic()
    with pytest.raises(WorkerError):
        run()
    assert time.monotonic() - started < 15
    assert left_behind(tmp_path) == []


def test_a_message_is_bounded(worker) -> None:
    worker("""
        (folder / "failure.json").write_text(
            '{"slug": "build-failed", "message": "' + "x" * 10**7 + '"}')
    """)
    with pytest.raises(BuildError) as caught:
        run()
    assert len(caught.value.message) == 2000


def test_counts_are_bounded(worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opcheck.worker.answer._MOST_LAYERS", -1)
    worker(f"(folder / 'reply.json').write_text({REPLY!r})")
    with pytest.raises(WorkerError, match="0 layers; opcheck reads up to -1"):
        run()


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_what_it_started_ends_with_it(worker, tmp_path: Path) -> None:
    """Also when it has answered and ended itself."""
    worker(f"""
        import subprocess
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (folder.parent / "pid").write_text(str(child.pid))
        (folder / "reply.json").write_text({REPLY!r})
    """)
    run()
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    stat = Path(f"/proc/{pid}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_its_place_for_temporary_files_and_its_environment(
    worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "mine")
    worker(f"""
        import tempfile
        assert "GITHUB_TOKEN" not in os.environ and os.environ["PYTHONPATH"] == "mine"
        assert tempfile.gettempdir() == str(folder / "tmp"), tempfile.gettempdir()
        tempfile.mkdtemp()
        (folder / "reply.json").write_text({REPLY!r})
    """)
    assert run().environment.keras == "3"
    assert left_behind(tmp_path) == []


def test_a_program_of_the_users_own_has_the_whole_environment(
    worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    worker(f"""
        assert os.environ["GITHUB_TOKEN"] == "secret"
        assert b'"network":true' in (folder / "limits.json").read_bytes()
        (folder / "reply.json").write_text({REPLY!r})
    """)
    source = ModelSource("m:f", "factory", "", None, None, (), ())
    client.run(msgspec.structs.replace(REQUEST, source=source), timeout=20)


def test_a_rewritten_model_may_be_as_large_as_what_fits_into_memory(worker) -> None:
    worker("""
        assert b'"file":3221225472' in (folder / "limits.json").read_bytes()
        (folder / "reply.json").write_text(
            '{"changed": [], "left": [], "absolute": 0, "relative": 0}')
    """)
    check = msgspec.structs.replace(REQUEST, memory=3)
    assert client.fix(FixRequest(check, "metal", (), "fixed.h5"), timeout=20).changed == ()


def test_modules_of_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A downloaded model may lie beside a json.py."""
    for name in ("json", "tensorflow", "msgspec"):
        (tmp_path / f"{name}.py").write_text("import pathlib; pathlib.Path('canary').touch()")
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(OpcheckError):
        run()
    assert not (tmp_path / "canary").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.1, 0.3])
def test_an_interrupt_at_any_time(tmp_path: Path, delay: float, number: signal.Signals) -> None:
    """The real parent, interrupted ``delay`` seconds after it has begun to start a worker."""
    program = f"""
import pathlib, sys
from opcheck import cli
from opcheck.cli import check
from opcheck.worker import client
def busy(folder):
    print("go", flush=True)
    return [sys.executable, "-c", "import time; time.sleep(600)", {str(tmp_path)!r}]
client._command = busy
cli.main(["check", {str(FIXTURE)!r}, "-t", "metal@1.2.0", "--evidence", "predicted"])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "go\n"
    time.sleep(delay)
    process.send_signal(number)
    _, printed = process.communicate(timeout=30)
    assert (process.returncode, printed) == (2, "opcheck: interrupted\n")
    assert left_behind(tmp_path) == []
    if Path("/proc/self/cmdline").exists():
        mark = str(tmp_path).encode()
        assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if mark in _read(p)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""
