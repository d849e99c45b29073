"""A training step on the emulated device against the same step on the plain CPU, in one run.

    python bench/emulated.py [--runs N] [--target metal@1.2.0]

Prints a table of processor time; see README.md. Every run is a process of its own, and they
alternate. Exit code 0 whatever it says.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TypedDict

from run import BENCH, FIXTURES, environment
from tabulate import tabulate

MODELS = ("mnist_cnn", "mobilenet_v2", "transformer_block", "rnn_cells")


class Timed(TypedDict):
    """What emulated_step.py prints; seconds."""

    load: float
    first: float
    steps: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="of each model (default: 3)")
    parser.add_argument("--target", default="metal@1.2.0")
    arguments = parser.parse_args()
    print(f"{environment()}; processor time; medians of {arguments.runs} alternating runs\n")
    with tempfile.TemporaryDirectory() as cache:
        built = timed(arguments.target, MODELS[0], cache)  # the cache is empty
        timed("cpu", MODELS[0], cache)
        rows, loads = [], []
        for model in MODELS:
            pairs = []
            for _ in range(arguments.runs):
                plain, emulated = (timed(t, model, cache) for t in ("cpu", arguments.target))
                pairs.append((plain, emulated))
                loads.append(emulated["load"])
            rows.append((model, *first(pairs), *further(pairs)))
    load = statistics.median(loads)
    print(tabulate(rows, HEADERS, disable_numparse=True))
    print(f"\nbuild {built['load'] - load:.1f} s (goal < 15 s), load {load:.1f} s")


HEADERS = (
    "training step of",
    "first: CPU",
    "emulated",
    "ratio",
    "further: CPU",
    "emulated",
    "ratio",
)


def first(pairs: list[tuple[Timed, Timed]]) -> tuple[str, str, str]:
    return summary([(plain["first"], emulated["first"]) for plain, emulated in pairs])


def further(pairs: list[tuple[Timed, Timed]]) -> tuple[str, str, str]:
    median = statistics.median
    return summary([(median(plain["steps"]), median(other["steps"])) for plain, other in pairs])


def summary(pairs: list[tuple[float, float]]) -> tuple[str, str, str]:
    """Medians in ms, and that of the ratios of neighbouring runs."""
    plain, emulated = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(other / one for one, other in pairs)
    return f"{plain * 1e3:.0f} ms", f"{emulated * 1e3:.0f} ms", f"{ratio:.1f}"


def timed(target: str, model: str, cache: str) -> Timed:
    done = subprocess.run(
        [sys.executable, str(BENCH / "emulated_step.py"), target, _file(model)],
        env={**os.environ, "OPCHECK_CACHE_DIR": cache, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    result: Timed = json.loads(done.stdout)
    return result


def _file(model: str) -> str:
    return str(Path(FIXTURES) / f"{model}-k3.15.keras")


if __name__ == "__main__":
    main()
