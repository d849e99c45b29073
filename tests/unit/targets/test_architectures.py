"""The wheels for Intel Macs beside those for Apple silicon: the same kernels, but for a few."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from opcheck.targets import KernelDef, store
from opcheck.targets.index import DATA

# These libraries ask for macOS 12 on Intel only: their LC_BUILD_VERSION says that they are for
# macOS 11.3, those for arm64 for 12.0 and later, where a compiler leaves such a question out.
_PADDINGS = {("MirrorPad", "float32"), ("MirrorPadGrad", "float32")}
_ARGUMENTS = {(op, dtype) for op in ("ArgMax", "ArgMin") for dtype in ("float32", "int32")}
ASK_ON_INTEL = {
    "metal-0.2.0": _PADDINGS,
    "metal-0.3.0": _PADDINGS | _ARGUMENTS,
    "metal-0.4.0": _PADDINGS | _ARGUMENTS,
}
# It came to the arm64 library one version later, in 0.5.0.
INTEL_ALONE = {"metal-0.4.0": {"GatherNd": 4}}

# After 1.0.0 Apple made no wheels for Intel.
APPLE_SILICON_ALONE = {"metal-1.0.1", "metal-1.1.0", "metal-1.2.0"}


def names(pattern: str, arch: str) -> list[str]:
    return sorted(
        path.stem.removesuffix(f"-{arch}") for path in DATA.glob(f"{pattern}-{arch}.json")
    )


def kernels(name: str) -> Counter[KernelDef]:
    return Counter(store.read(DATA / f"{name}.json").kernels())


@pytest.mark.parametrize("name", names("metal-*", "x86_64"))
def test_a_plugin_has_the_same_kernels_on_both(name: str) -> None:
    intel, apple = kernels(f"{name}-x86_64"), kernels(f"{name}-arm64")
    asked = Counter({k: n for k, n in (intel - apple).items() if k.requires})
    alone = Counter(k.op for k in (intel - apple - asked).elements())
    assert {(k.op, dict(k.constraints)["T"][0]) for k in asked} == ASK_ON_INTEL.get(name, set())
    assert alone == INTEL_ALONE.get(name, {})
    assert {k.requires for k in asked} <= {(("macos", ">=12"),)}
    unasked = (msgspec.structs.replace(k, requires=()) for k in asked.elements())
    assert Counter(unasked) == apple - intel


@pytest.mark.parametrize("name", names("tensorflow-*-macos", "x86_64"))
def test_a_core_has_the_same_kernels_on_both(name: str) -> None:
    assert kernels(f"{name}-x86_64") == kernels(f"{name}-arm64")


def test_each_version_is_compared() -> None:
    assert {*names("metal-*", "arm64")} - {*names("metal-*", "x86_64")} == APPLE_SILICON_ALONE
