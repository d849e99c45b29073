"""The registry files: lossless, in one form only, and true to what is known."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from packaging.version import Version

from opcheck.targets import KernelDef, KernelRegistry, known_targets, resolve, store
from opcheck.targets.index import DATA, INDEX, sources
from opcheck.targets.store import RegistryFile

FILES = sorted(path for path in DATA.glob("*.json") if path != INDEX)


def typed(op: str, **types: tuple[str, ...]) -> KernelDef:
    return KernelDef(op, "GPU", tuple(sorted(types.items())), (), 0, "", "core", ())


@pytest.mark.parametrize(
    "kernels",
    [
        [typed("NoOp")],
        [typed("NoOp"), typed("NoOp")],
        [typed("Mul", T=("float32",)), typed("Mul", T=("float32",))],
        [typed("Cast", T=("a", "b")), typed("Cast", T=("a",)), typed("Cast", T=("b",))],
        [typed("X", T=(t,), I=(i,)) for t in "abc" for i in "mn"],
        [typed("X", T=(t,), I=(i,)) for t, i in ("am", "bm", "bn")],
        [typed("X", T=("a",)), typed("X", I=("a",)), typed("X")],
    ],
)  # fmt: skip
def test_what_is_written_is_what_is_read(kernels: list[KernelDef], tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    registry = RegistryFile(1, "", "core", "", "", "arm64", (), None, store.group(kernels))
    store.write(path, registry)
    assert Counter(store.read(path).kernels()) == Counter(kernels)


def _registry(base: str | None = None, *kernels: KernelDef, defines: str = "") -> RegistryFile:
    ops = dict.fromkeys(defines.split(), ()) | store.group(kernels)
    return RegistryFile(store.SCHEMA, "", "core", "", "", "arm64", (), None, ops, base)


def test_a_file_holds_only_what_its_base_does_not(tmp_path: Path) -> None:
    base, path = tmp_path / "base.json", tmp_path / "x.json"
    same, gone = typed("Same", T=("a",)), typed("Gone", T=("a",))
    store.write(base, _registry(None, same, gone, typed("New", T=("a",)), defines="Lost"))
    new = [same, typed("New", T=("b",)), typed("Lost", T=("a",))]
    store.write(path, _registry("base", *new, defines="Nowhere"))
    assert Counter(store.read(path).kernels()) == Counter(new)
    assert store.read(path).without_kernels == ("Nowhere",)
    written = json.loads(path.read_bytes())
    assert (set(written["ops"]), written["removed"]) == ({"New", "Lost", "Nowhere"}, ["Gone"])


def test_a_base_has_no_base(tmp_path: Path) -> None:
    store.write(tmp_path / "a.json", _registry(None, typed("NoOp")))
    store.write(tmp_path / "b.json", _registry("a", typed("NoOp")))
    with pytest.raises(ValueError, match="has one itself"):
        store.write(tmp_path / "c.json", _registry("b", typed("NoOp")))
    (tmp_path / "c.json").write_bytes((tmp_path / "b.json").read_bytes().replace(b'"a"', b'"b"'))
    with pytest.raises(ValueError, match="has one itself"):
        store.read(tmp_path / "c.json")


def test_combinations_fold_into_one_row() -> None:
    kernels = [typed("Sum", T=(t,), I=(i,)) for t in ("f", "h") for i in ("i", "l")]
    (group,) = store.group(kernels)["Sum"]
    assert (group.attrs, group.rows) == ("I T", ("i|l f|h",))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_in_its_one_form(path: Path, tmp_path: Path) -> None:
    """Grouping and writing it again gives the same bytes: no hand has touched it."""
    registry = store.read(path)
    again = store.group(registry.kernels())
    assert again == {op: groups for op, groups in registry.ops.items() if groups}
    if registry.base:
        base = f"{registry.base}.json"
        (tmp_path / base).write_bytes((DATA / base).read_bytes())
    store.write(tmp_path / "again.json", registry)
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_says_where_it_is_from(path: Path) -> None:
    registry = store.read(path)
    assert registry.schema == store.SCHEMA
    assert registry.generated_by == "python -m opcheck.extract.regenerate"
    assert sum(s.kernels for s in registry.sources) == sum(1 for _ in registry.kernels())
    for source in registry.sources:
        assert source.wheel.endswith(".whl") and source.member and source.method
        assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)
    assert (registry.plugin is None) == (registry.origin == "core")


def test_the_index_repeats_what_the_files_say() -> None:
    plugins = {target.registry for target in known_targets()}
    cores = {pairing.core for target in known_targets() for pairing in target.pairings}
    assert plugins | cores == {path.stem for path in FILES}
    for path in FILES:
        registry = store.read(path)
        assert registry.origin == ("plugin" if path.stem in plugins else "core")
        assert registry.sources == sources(path.stem)
    for pairing in (pairing for target in known_targets() for pairing in target.pairings):
        core = store.read(DATA / f"{pairing.core}.json")
        assert pairing.tensorflow == Version(core.version).base_version
        assert pairing.keras_major == (3 if Version(pairing.tensorflow) >= Version("2.16") else 2)
        assert pairing.source


def test_package_data_stays_small() -> None:
    assert sum(path.stat().st_size for path in DATA.glob("*.json")) < 3_000_000


@pytest.fixture(scope="module")
def metal() -> KernelRegistry:
    return resolve("metal@1.2.0").registry


@pytest.fixture(scope="module")
def directml() -> KernelRegistry:
    return resolve("directml@0.4.0").registry


ABSENT_ON_METAL = (
    "Einsum", "Elu", "Selu", "Softplus", "Softsign", "Conv3D", "MaxPool3D", "AvgPool3D", "Cumsum",
    "Round", "Ceil", "Sin", "Cos", "ClipByValue", "Any", "All", "ResizeNearestNeighbor",
    "ResizeBicubic", "ImageProjectiveTransformV3", "MatrixInverse", "Cholesky", "Svd", "FFT",
)  # fmt: skip


@pytest.mark.parametrize("op", ABSENT_ON_METAL)
def test_metal_has_no_kernel_for_it(metal: KernelRegistry, op: str) -> None:
    """But the CPU does: it falls back rather than fails."""
    assert not metal.has_op(op, "GPU")
    assert metal.has_op(op, "CPU")


def test_metal_runs_the_steps_of_training(metal: KernelRegistry) -> None:
    for op in ("Conv2D", "Conv2DBackpropFilter", "MatMul", "FusedBatchNormV3", "Relu", "BiasAdd"):
        for dtype in ("float32", "float16", "bfloat16"):
            attrs = {"T": dtype, "U": "float32"}
            kernel = metal.match(op, "GPU", attrs)
            assert kernel is not None and kernel.origin == "plugin", (op, dtype)
    assert metal.has_op("CudnnRNN", "GPU")


def test_a_step_counter_is_added_on_the_cpu(metal: KernelRegistry) -> None:
    assert metal.match("AddV2", "GPU", {"T": "int64"}) is None
    assert metal.match("AddV2", "CPU", {"T": "int64"}) is not None
    assert metal.dtypes("AddV2", "GPU")["T"] == ("float32", "float16", "bfloat16", "int32")


def test_on_macos_pack_is_placed_on_the_gpu_but_computed_on_the_cpu(metal: KernelRegistry) -> None:
    kernel = metal.match("Pack", "GPU", {"T": "float32", "N": 2, "axis": 0})
    assert kernel is not None
    assert (kernel.device, kernel.origin) == ("DEFAULT", "core")
    assert kernel.host_memory == ("output", "values")


def test_ten_random_ops_need_macos_13() -> None:
    plugin = store.read(DATA / "metal-1.2.0-arm64.json")
    gated = {k.op for k in plugin.kernels() if k.requires == (("macos", ">=13"),)}
    ungated = {k.op for k in plugin.kernels() if not k.requires}
    assert len(gated - ungated) == 10
    assert all(op.startswith("Stateless") for op in gated)


def test_directml_has_what_metal_lacks(directml: KernelRegistry) -> None:
    for op in ("Elu", "Conv3D", "Cumsum", "ResizeNearestNeighbor"):
        attrs = {"T": "float32", "Tidx": "int32"}
        kernel = directml.match(op, "GPU", attrs)
        assert kernel is not None and kernel.origin == "plugin", op
    assert not directml.has_op("Einsum", "GPU")
    assert not directml.has_op("CudnnRNN", "GPU")


def test_device_generic_kernels_of_the_core_are_there(
    metal: KernelRegistry, directml: KernelRegistry
) -> None:
    for registry in (metal, directml):
        assert registry.match("VarHandleOp", "GPU", {"dtype": "float32"}) is not None
        kernel = registry.match("ReadVariableOp", "GPU", {"dtype": "float32"})
        assert kernel is not None and kernel.origin == "core" and not kernel.label


def _overlap(left: KernelDef, right: KernelDef) -> bool:
    ours, theirs = dict(left.constraints), dict(right.constraints)
    return all(set(ours[attr]) & set(theirs[attr]) for attr in ours.keys() & theirs.keys())


TENSOR_ARRAYS = {"TensorArray", "TensorArrayV2", "TensorArrayV3"}
AMBIGUOUS = {
    # Apple registers InTopK twice for T=float32, which no node can have. The macOS cores from 2.12
    # on register the TensorArrays of bfloat16 twice, those of 2.8 to 2.11 VariableShape of int64
    # (its resource_variable_ops.cc does): TensorFlow refuses such a node.
    "metal": {"InTopK"},
    "directml": set(),
    "tensorflow-directml": set(),
}


@pytest.mark.parametrize("label", sorted({t.label for t in known_targets()}))
def test_what_tensorflow_would_find_ambiguous(label: str) -> None:
    target = resolve(label)
    registry = target.registry
    found = {
        op
        for op in registry.ops()
        for device in (target.device_type, "DEFAULT")
        for a, b in combinations(registry.kernels(op, device), 2)
        if (a.label, a.priority) == (b.label, b.priority) and _overlap(a, b)
    }
    known = AMBIGUOUS[target.plugin]
    if target.plugin == "metal" and Version(target.tensorflow) >= Version("2.12"):
        known = known | TENSOR_ARRAYS
    elif target.plugin == "metal" and Version(target.tensorflow) >= Version("2.8"):
        known = known | {"VariableShape"}
    assert found == known
