"""What the TensorFlow process cannot do: each limit is met by a process that tries."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opcheck import confine
from opcheck.confine import limits, network

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has the means for it")
MIB = 2**20
APPLY = """
import os, sys
from opcheck.confine import Limits
Limits(os.getppid(), {memory}, {seconds}, network={network}, file={file}).apply()
"""


def bound(
    code: str,
    *,
    memory: int = 100 * MIB,
    seconds: float = 100,
    network: bool = False,
    file: int = confine.LARGEST_FILE,
) -> subprocess.CompletedProcess[str]:
    """Runs ``code`` in a process that has bound itself."""
    head = APPLY.format(memory=memory, seconds=seconds, network=network, file=file)
    return subprocess.run(
        [sys.executable, "-c", head + code], capture_output=True, text=True, timeout=60, check=False
    )


def said(code: str, **limits: object) -> str:
    done = bound(code, **limits)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@linux
def test_memory() -> None:
    most = limits._OWN_MEMORY + (os.cpu_count() or 1) * limits._PER_PROCESSOR + 100 * MIB
    code = "try: bytearray({}); print('had')\nexcept MemoryError: print('refused')"
    assert said(code.format(50 * MIB)) == "had"
    assert said(code.format(most)) == "refused"


@linux
def test_processor_time() -> None:
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_CPU)[1])"
    assert int(said(code, seconds=3)) == 3 * (os.cpu_count() or 1) + limits._CPU_SLACK
    code = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass"
    assert bound(code).returncode == -signal.SIGXCPU


@linux
@pytest.mark.parametrize("most", [confine.LARGEST_FILE, 3 * confine.GIB])
def test_files(tmp_path: Path, most: int) -> None:
    code = f"""
with open({str(tmp_path / "big")!r}, "wb") as file:
    os.truncate(file.fileno(), {most})
    try: os.truncate(file.fileno(), {most} + 1)
    except OSError as error: print(error.errno)
opened = []
try:
    while True: opened.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error: print(error.errno, len(opened) <= {limits._MOST_FILES})
"""
    assert said(code, file=most).split("\n") == ["27", "24 True"]  # EFBIG, EMFILE


@linux
def test_limits_are_for_its_children_and_forever() -> None:
    code = """
import resource, subprocess
hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
assert 0 < hard <= 16384, hard
child = "import resource, socket; print(resource.getrlimit(resource.RLIMIT_CORE))\\n"
child += "try: socket.socket()\\nexcept OSError as e: print(e.errno)"
print(subprocess.check_output([sys.executable, "-c", child], text=True))
"""
    assert said(code).split("\n") == ["(0, 0)", "13"]  # EACCES


CONNECT = """
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), 5).send(b"secret")
    print("sent")
except OSError as error:
    print("refused", error.errno)
"""


@linux
def test_network() -> None:
    """A listener on this machine is not reached, unless the network is left open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        connect = CONNECT.format(port=listener.getsockname()[1])
        assert said(connect) == "refused 13"
        with pytest.raises(TimeoutError):
            listener.accept()
        assert said(connect, network=True) == "sent"
        listener.accept()[0].close()


@linux
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET"])
def test_no_kind_of_socket(family: str) -> None:
    code = f"""
import socket
try: socket.socket(socket.{family}, socket.SOCK_RAW); print("made")
except OSError as error: print(error.errno)
"""
    assert said(code) == "13"


@linux
def test_without_filters_a_namespace() -> None:
    """As on a processor whose system calls are not listed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connect = CONNECT.format(port=listener.getsockname()[1])
        code = "from opcheck.confine import network\nnetwork._filter = lambda: False\n"
        answer = said(code + "print(network.close())" + connect, network=True).split("\n")
    assert answer in (["True", "refused 101"], ["False", "sent"])  # ENETUNREACH; not permitted


@linux
def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """Even if that is killed and can clean up nothing."""
    child = APPLY.format(memory=MIB, seconds=100, network=False, file=MIB)
    child += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    child += "import time; time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent])
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = int((tmp_path / "pid").read_text())
    process.kill()
    process.wait()
    while Path(f"/proc/{pid}/stat").exists():
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_must_not_outlive_a_parent_that_is_gone() -> None:
    code = "from opcheck.confine import Limits; Limits(1, 1, 1).apply(); print('on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == ((1, b"") if sys.platform == "linux" else (0, b"on\n"))


def test_other_platforms_have_no_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert network.close() is False


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "TF_USE_LEGACY_KERAS", "KERAS_HOME"),
        *("CXX", "LD_LIBRARY_PATH", "SystemRoot", "OMP_NUM_THREADS", "DML_VISIBLE_DEVICES"),
    ],
)
def test_a_variable_that_is_needed(name: str) -> None:
    assert confine.environment({name: "value"})[name] == "value"


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "SSH_AUTH_SOCK"),
        *("TF_VAR_password", "TF_TOKEN_app_terraform_io", "PYTHON_API_KEY", "HTTPS_PROXY"),
        *("PGPASSWORD", "OPCHECK_TARGETS", "ANYTHING"),
    ],
)
def test_a_variable_that_is_not(name: str) -> None:
    assert name not in confine.environment({name: "value"})
    assert confine.environment({name: "value"}, whole=True)[name] == "value"


def test_memory_is_suggested_by_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert confine.default_memory() >= 4 * confine.GIB
    monkeypatch.setattr(limits, "_machine_memory", lambda: 64 * confine.GIB)
    assert confine.default_memory() == 32 * confine.GIB
