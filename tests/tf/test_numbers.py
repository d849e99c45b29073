"""The emulation changes where ops run, not what they compute."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from opcheck.confine import environment

from .conftest import FIXTURES
from .test_emulator import ENDING, TARGET

SCRIPT = Path(__file__).with_name("step_numbers.py")
# No model with a fused LSTM or GRU: the CPU has no such kernel, and the device gives zeros.
MODELS = (
    "cnn3d",
    "functional_ops",
    "mnist_cnn",
    "mobilenet_v2",
    "multi_input",
    "multi_output",
    "rnn_cells",
    "transformer_block",
)
FILES = [name for m in MODELS if (FIXTURES / (name := f"{m}-{ENDING}")).exists()]


@pytest.fixture(scope="module")
def both(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The numbers without and with the device; both processes run side by side."""
    folders = (tmp_path_factory.mktemp("cpu"), tmp_path_factory.mktemp("emulated"))
    files = [str(FIXTURES / name) for name in FILES]
    variables = {
        **environment(os.environ),
        "OPCHECK_CACHE_DIR": str(cache),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), target, str(folder), *files],
            env=variables,
            stderr=subprocess.PIPE,
            text=True,
        )
        for target, folder in zip(("cpu", TARGET), folders, strict=True)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-3000:]
        assert "zeros for" not in errors
    return folders


@pytest.mark.parametrize("name", FILES)
def test_numbers_are_those_of_the_cpu(name: str, both: tuple[Path, Path]) -> None:
    """Outputs, the loss of a training step, and every weight after it."""
    expected, found = (load(folder / f"{name}.npz") for folder in both)
    assert str(expected.pop("device")).endswith("CPU:0")
    assert str(found.pop("device")).endswith("GPU:0")
    assert len(expected) > 3
    assert float(expected["loss"]) > 0
    for key, number in expected.items():
        np.testing.assert_allclose(found[key], number, rtol=1e-4, atol=1e-6, err_msg=key)


def test_enough_models() -> None:
    assert len(FILES) >= 7


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {key: file[key] for key in file.files}
