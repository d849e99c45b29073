"""The shipped core registries against the kernels of a running TensorFlow.

The one of DirectML is of Linux: it must be equal. The one of Metal is of macOS, recovered without
one; every difference to Linux of the same version is named here with its cause.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import version

import pytest

from opcheck.targets import KernelDef, store
from opcheck.targets.index import DATA

_CAPTURE = """
import json, sys
import tensorflow as tf
from tensorflow.python.framework import kernels

def values(listed):
    return (
        [tf.as_dtype(t).name for t in listed.type]
        + [s.decode() for s in listed.s]
        + [str(i) for i in listed.i]
        + ["true" if b else "false" for b in listed.b]
    )

rows = [
    [k.op, k.device_type,
     sorted([c.name, sorted(values(c.allowed_values.list))] for c in k.constraint),
     sorted(set(k.host_memory_arg)), k.priority, k.label]
    for k in kernels.get_all_registered_kernels().kernel
]
json.dump(rows, sys.stdout)
"""

ONEDNN = re.compile(r"_+Mkl|_?Quantized|_Fused|Requantiz|L2Loss$")
"""What Intel's library adds on x86 alone: ops of its own, and bfloat16 for L2Loss."""

MACOS_ON_HOST = {
    "BroadcastTo", "DynamicStitch", "Pack", "Pad", "PadV2", "Reverse", "ReverseV2",
    "StridedSlice", "StridedSliceGrad", "StridedSliceAssign", "ResourceStridedSliceAssign",
    "TensorStridedSliceUpdate", "TensorArray", "TensorArrayV2", "TensorArrayV3",
    "TensorArrayGrad", "TensorArrayGradV2", "TensorArrayGradV3", "TensorArrayGradWithShape",
    "TensorArrayConcat", "TensorArrayConcatV2", "TensorArrayConcatV3",
}  # fmt: skip
"""``#ifdef PLUGGABLE_DEVICE_SUPPORTED_MACOS``: kernels that work in host memory for any device."""

NOT_ON_MACOS = {
    "TensorListStack", "TensorListGather", "TensorListConcat", "TensorListConcatV2",
    "TensorListGetItem", "TensorListPopBack", "TensorListPushBackBatch", "TensorListFromTensor",
    "TensorListScatter", "TensorListScatterV2", "TensorListScatterIntoExistingList",
    "TensorListSplit",
}  # fmt: skip
"""The macOS build has no device-generic kernels of these: its list_kernels.cc makes 285
registrations, both in the count of calls in its code and in the run of it."""


@pytest.fixture(scope="module")
def live() -> Counter[KernelDef]:
    """In a process of its own, where nothing else has loaded a library of kernels."""
    run = subprocess.run(
        [sys.executable, "-c", _CAPTURE], capture_output=True, text=True, check=True, timeout=300
    )
    return Counter(
        KernelDef(
            op, device, tuple((a, tuple(v)) for a, v in constraints), tuple(host), priority,
            label, "core", (),
        )
        for op, device, constraints, host, priority, label in json.loads(run.stdout)
        if device in ("CPU", "GPU", "DEFAULT")
    )  # fmt: skip


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
    only_linux, only_macos = live - shipped, shipped - live

    assert {k.device for k in only_macos} == {"DEFAULT"}
    assert {k.op for k in only_macos} == MACOS_ON_HOST
    assert all(k.host_memory for k in only_macos)

    assert all(ONEDNN.match(k.op) for k in only_linux if k.device == "CPU")
    assert {k.op for k in only_linux if k.device != "CPU"} == NOT_ON_MACOS
    assert {k.device for k in only_linux} == {"CPU", "DEFAULT"}
