"""Reading a model imports no TensorFlow, no Keras and nothing heavy that it does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest
from loading_files import FIXTURES

HEAVY = "tensorflow keras tf_keras networkx rich google.protobuf tabulate".split()  # noqa: SIM905


@pytest.mark.parametrize(
    ("spec", "unused"),
    [
        (str(FIXTURES / "mobilenet_v2-k2.10.h5"), ["h5py", "numpy", "zipfile"]),
        (str(FIXTURES / "mnist_cnn-k3.15.keras"), ["h5py", "numpy"]),
        (str(FIXTURES / "mnist_cnn-k2.10-savedmodel"), ["h5py", "numpy"]),
        (str(FIXTURES / "mnist_cnn-k2.10.pb"), ["h5py", "numpy"]),
        ("package.module:build", ["h5py", "numpy", "package"]),
    ],
)
def test_imports(spec: str, unused: list[str]) -> None:
    code = (
        "import sys; from opcheck.loading import read; read(sys.argv[1]);"
        "print(*[name for name in sys.argv[2:] if name in sys.modules])"
    )
    names = [*HEAVY, *unused]
    run = subprocess.run(
        [sys.executable, "-c", code, spec, *names], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []
