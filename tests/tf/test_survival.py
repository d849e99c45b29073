"""What goes wrong on the emulated device or around it ends in an error, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opcheck.confine import environment

from .conftest import FIXTURES
from .test_emulator import ENDING, TARGET, run

# A kernel that fails, a tensor that no memory holds, and a step after both: in one process.
ERRORS = """
import sys
import tensorflow as tf
from opcheck import emulator
from opcheck.targets import resolve
emulator.load(resolve(sys.argv[1]))
product = tf.function(lambda x: tf.matmul(x, x))
for fail in (
    lambda: tf.function(lambda x: tf.gather(x, [7]))(tf.ones([3])),
    lambda: tf.function(lambda n: tf.matmul(tf.ones([n, 1]), tf.ones([1, n])))(1 << 24),
):
    try:
        fail()
    except tf.errors.OpError as error:
        print(type(error).__name__)
result = product(tf.ones([2, 2]))
print(result.device.rpartition("device:")[2], result.numpy().sum())
"""

WRONG_FILE = """
import os, sys
from pathlib import Path
from tensorflow.python.framework.load_library import load_pluggable_device_library
from opcheck import emulator
path = Path(sys.argv[1])
path.write_text("platform METAL\\ndevice GPU\\nadd nonsense\\n")
os.environ["OPCHECK_EMULATOR_REGISTRY"] = str(path)
from opcheck.cache import cache_dir
load_pluggable_device_library(str(emulator.build(cache_dir())))
import tensorflow as tf
print(*[device.device_type for device in tf.config.list_logical_devices()])
"""

LOAD = """
import sys
from opcheck import emulator
from opcheck.targets import resolve
emulator.load(resolve(sys.argv[1]))
import tensorflow as tf
print(tf.matmul(tf.ones([2, 2]), tf.ones([2, 2])).device.rpartition("device:")[2])
"""


def test_errors_of_kernels_and_of_memory(cache: Path) -> None:
    indices, memory, after = run(cache, ERRORS, TARGET)
    assert indices == "InvalidArgumentError"
    assert memory in ("ResourceExhaustedError", "InvalidArgumentError")
    assert after == "GPU:0 8.0"


def test_a_wrong_registry_file(cache: Path, tmp_path: Path) -> None:
    """It is told on stderr, and there is no device: `emulator.load` then refuses to go on."""
    done = subprocess.run(
        [sys.executable, "-c", WRONG_FILE, str(tmp_path / "registry")],
        env={**environment(os.environ), "OPCHECK_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "CPU\n")
    assert "not a line of a registry: add nonsense" in done.stderr


def test_two_that_build_at_once(tmp_path: Path) -> None:
    variables = {
        **environment(os.environ),
        "OPCHECK_CACHE_DIR": str(tmp_path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    both = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD, TARGET],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    assert [process.communicate()[0] for process in both] == ["GPU:0\n"] * 2
    (library,) = tmp_path.rglob("*.so")
    assert [path.name for path in library.parent.iterdir() if path.suffix == ".partial"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("command", [["check", "-f", "json"], ["trace"]], ids=["check", "trace"])
def test_an_interrupt(command: list[str], cache: Path, tmp_path: Path) -> None:
    """Ctrl-C while TensorFlow works: no process, no file, no word of Python's."""
    temporary, out = tmp_path / "tmp", tmp_path / "out"
    temporary.mkdir()
    out.mkdir()
    model = str(FIXTURES / f"mobilenet_v2-{ENDING}")
    name, *options = command
    asked = [name, model, "-t", TARGET, *options, "-o", str(out / "result")]
    process = subprocess.Popen(
        [sys.executable, "-m", "opcheck", *asked],
        env={**os.environ, "TMPDIR": str(temporary), "OPCHECK_CACHE_DIR": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts these tests in the background has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not any("tracing" in stages.read_text() for stages in temporary.rglob("progress")):
        assert process.poll() is None
        time.sleep(0.05)
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    workers = [pid for pid in pids if parent(pid) == process.pid]
    assert workers
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (2, "opcheck: interrupted\n")
    assert not any(parent(pid) is not None for pid in workers)
    assert (list(temporary.iterdir()), list(out.iterdir())) == ([], [])


def parent(pid: int) -> int | None:
    """The parent of a process that there is."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None
