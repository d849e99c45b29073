"""macOS beside Linux of the same TensorFlow: every difference has a known cause."""

from __future__ import annotations

from collections import Counter

import pytest
from macos_differences import APPLE_COLLECTIVES, APPLE_ON_HOST, NOT_ON_MACOS, unexplained

from opcheck.targets import KernelDef, store
from opcheck.targets.index import DATA


def kernels(name: str) -> Counter[KernelDef]:
    return Counter(store.read(DATA / f"{name}.json").kernels())


@pytest.mark.parametrize(
    ("macos", "linux", "alone"),
    [
        ("tensorflow-2.10.0-macos-arm64", "tensorflow-2.10.0-linux-x86_64", (149, 463)),
        ("tensorflow-2.9.2-macos-arm64", "tensorflow-2.9.1-linux-x86_64", (149, 464)),
    ],
)
def test_every_difference_has_a_cause(macos: str, linux: str, alone: tuple[int, int]) -> None:
    ours, theirs = kernels(macos), kernels(linux)
    assert unexplained(ours, theirs, apple=True) == []
    assert ((ours - theirs).total(), (theirs - ours).total()) == alone
    assert {k.op for k in theirs - ours if k.device != "CPU"} == NOT_ON_MACOS


def test_what_apple_added_is_gone_where_google_builds() -> None:
    added = kernels("tensorflow-2.10.0-macos-arm64") - kernels("tensorflow-2.10.0-linux-x86_64")
    apples = Counter({k: n for k, n in added.items() if k.op in APPLE_ON_HOST | APPLE_COLLECTIVES})
    googles = kernels("tensorflow-2.13.0-macos-arm64")
    assert apples.total() == 52
    # What is left is TensorFlow's own by then, on every system.
    assert {k.op for k in apples & googles} == {"Fill", "VariableShape"}
