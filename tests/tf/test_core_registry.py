"""The shipped core registries against the kernels of a running TensorFlow.

The one of DirectML is of Linux: it must be equal. The one of Metal is of macOS, recovered without
one; every difference to Linux of the same version is named here with its cause.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from importlib.metadata import version

import pytest
from live_kernels import live_kernels
from macos_differences import MACOS_ON_HOST, NOT_ON_MACOS, unexplained

from opcheck.targets import KernelDef, store
from opcheck.targets.index import DATA


@pytest.fixture(scope="module")
def live() -> Counter[KernelDef]:
    """In a process of its own, where nothing else has loaded a library of kernels."""
    kernels, _ = live_kernels()
    return Counter({k: n for k, n in kernels.items() if k.device in ("CPU", "GPU", "DEFAULT")})


def _shipped(name: str) -> Counter[KernelDef]:
    return Counter(store.read(DATA / f"{name}.json").kernels())


_DEFINED = """
from tensorflow.python.framework import op_def_registry
import sys
for name in sys.argv[1:]:
    assert op_def_registry.get(name) is not None, name
"""


@pytest.mark.skipif(
    not version("tensorflow-cpu").startswith("2.10."), reason="the list is TensorFlow 2.10's"
)
def test_ops_without_kernels_are_defined_and_have_none(live: Counter[KernelDef]) -> None:
    """So that what "fails everywhere" is told from an op of another TensorFlow."""
    names = store.read(DATA / "tensorflow-2.10.0-linux-x86_64.json").without_kernels
    assert {"CudnnRNN", "CudnnRNNV3"} <= set(names)
    assert not {k.op for k in live} & set(names)
    subprocess.run([sys.executable, "-c", _DEFINED, *names], check=True, timeout=300)


def _installed(minor: str) -> bool:
    return version("tensorflow-cpu").startswith(minor)


@pytest.mark.skipif(not _installed("2.10."), reason="DirectML runs beside TensorFlow 2.10")
def test_directml_core_is_the_live_registry(live: Counter[KernelDef]) -> None:
    shipped = _shipped("tensorflow-2.10.0-linux-x86_64")
    assert shipped - live == Counter()
    assert live - shipped == Counter()
    assert shipped.total() == 9959


@pytest.mark.skipif(not _installed("2.18."), reason="Metal 1.2.0 runs beside TensorFlow 2.18")
def test_macos_core_differs_from_linux_for_known_causes(live: Counter[KernelDef]) -> None:
    shipped = _shipped("tensorflow-2.18.1-macos-arm64")
    assert unexplained(shipped, live, apple=False) == []
    assert {k.op for k in shipped - live} == MACOS_ON_HOST
    assert {k.op for k in live - shipped if k.device != "CPU"} == NOT_ON_MACOS
