"""Runs one training step many times on the emulated device, with kernel errors in between.

    python bench/soak.py TARGET MODEL.keras STEPS

Prints the process' resident size after a tenth of the steps and at the end: it must not grow. See
docs/emulator.md for the run under the address sanitizer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tensorflow as tf
from emulated_step import load, training_step

MB = 1e6
PAGE = 4096  # bytes


def main(target: str, path: str, steps: int) -> None:
    load(target)
    step = training_step(path)
    sizes = []
    for number in range(steps):
        step()
        fail()
        if number + 1 in (steps // 10, steps):
            sizes.append(resident())
    print(f"{steps} steps: {sizes[0] / MB:.1f} MB, then {sizes[1] / MB:.1f} MB")


def fail() -> None:
    """An error inside a kernel, and one of the allocator."""
    for function, argument in ((gather, [7]), (fill, [1 << 30, 1 << 20])):
        try:
            function(tf.constant(argument))
        except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError):
            continue
        raise AssertionError(f"{function} should have failed")


@tf.function
def gather(indices: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.GatherV2(params=tf.ones([3]), indices=indices, axis=0)


@tf.function
def fill(dims: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.Fill(dims=dims, value=1.0)


def resident() -> int:
    """Of this process now, in bytes; Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
