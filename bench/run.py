"""Time and memory of opcheck, against a bare script, in one run on one machine.

    python bench/run.py [--runs N]     where opcheck and TensorFlow are installed; Linux or macOS

Prints a table; see README.md. Exit code 0 whatever it says: a number of one machine is no test.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tabulate import tabulate

BENCH = Path(__file__).resolve().parent
FIXTURES = BENCH.parent / "fixtures"
OPCHECK = str(Path(sys.executable).with_name("opcheck"))
KERAS_ARCHIVE = str(FIXTURES / "mobilenet_v2-k3.15.keras")
HDF5 = str(FIXTURES / "mobilenet_v2-k2.10.h5")

CHECK = ["check", KERAS_ARCHIVE, "--target", "metal", "--fail-on", "never"]
INSPECT = ["inspect", HDF5]

# getrusage gives a process' peak only to itself: for its children it mixes in the grandchildren.
WITH_OWN_PEAK = """
import resource, sys
from opcheck.cli import run
code = run(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
sys.exit(code)
"""
MAXRSS_UNIT = 1 if platform.system() == "Darwin" else 1024  # bytes
MB = 1e6


@dataclass(frozen=True)
class Run:
    """``peak`` is that of the largest process of the command, in bytes."""

    seconds: float
    peak: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of each command (default: 5)")
    runs: int = parser.parse_args().runs

    commands = {
        "check": [OPCHECK, *CHECK],
        "bare": [sys.executable, str(BENCH / "bare_trace.py"), KERAS_ARCHIVE],
        "inspect": [OPCHECK, *INSPECT],
        "python": [sys.executable, "-c", "pass"],
    }
    for command in commands.values():  # files into the page cache, byte code written
        measure(command)
    measured: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(runs):  # alternating, so that a slow minute of the machine slows all of them
        for name, command in commands.items():
            measured[name].append(measure(command))
    print(f"{environment()}; medians of {runs} alternating runs\n")
    print(table(measured, {"check": own_peak(CHECK), "inspect": own_peak(INSPECT)}))


def measure(command: Sequence[str]) -> Run:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} exited with {process.returncode}")
    return Run(seconds, usage.ru_maxrss * MAXRSS_UNIT)


def own_peak(arguments: Sequence[str]) -> int:
    """The peak of opcheck's own process, without its TensorFlow process; in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peak"
        measure([sys.executable, "-c", WITH_OWN_PEAK, str(path), *arguments])
        return int(path.read_text()) * MAXRSS_UNIT


def table(measured: dict[str, list[Run]], own: dict[str, int]) -> str:
    def seconds(name: str) -> float:
        return statistics.median(run.seconds for run in measured[name])

    def spread(name: str) -> str:
        times = [run.seconds for run in measured[name]]
        return f"{min(times):.2f} to {max(times):.2f} s"

    def peak(name: str) -> str:
        return megabytes(max(run.peak for run in measured[name]))

    # Each pair ran side by side, so its ratio varies less than its times do.
    pairs = zip(measured["check"], measured["bare"], strict=True)
    ratios = [check.seconds / bare.seconds for check, bare in pairs]
    rows = [
        ("check MobileNetV2, both steps, metal", f"{seconds('check'):.2f} s", spread("check"), ""),
        ("bare script: import, build, trace", f"{seconds('bare'):.2f} s", spread("bare"), ""),
        (
            "check / bare script",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            "<= 1.5",
        ),
        ("check: peak of opcheck's process", megabytes(own["check"]), "", "< 100 MB"),
        ("check: peak of its TensorFlow process", peak("check"), "", ""),
        ("bare script: peak", peak("bare"), "", ""),
        ("inspect MobileNetV2 .h5", f"{seconds('inspect'):.2f} s", spread("inspect"), "< 0.5 s"),
        ("python -c pass", f"{seconds('python'):.2f} s", spread("python"), ""),
        ("inspect: peak", megabytes(own["inspect"]), "", "< 50 MB"),
    ]
    return tabulate(rows, ("", "median", "range", "goal"), disable_numparse=True)


def megabytes(size: int) -> str:
    return f"{size / MB:.0f} MB"


def environment() -> str:
    names = ("opcheck", "keras", "h5py")
    installed = ", ".join(f"{name} {version(name)}" for name in names)
    tensorflow = version("tensorflow" if platform.system() == "Darwin" else "tensorflow-cpu")
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, TensorFlow {tensorflow}, {installed}"
    )


if __name__ == "__main__":
    main()
