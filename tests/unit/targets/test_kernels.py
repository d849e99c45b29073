"""Matching: TensorFlow's own rules, case by case."""

from __future__ import annotations

import msgspec

from opcheck.targets import KernelDef, KernelRegistry


def kernel(op: str = "Mul", device: str = "GPU", **fields: object) -> KernelDef:
    base = KernelDef(op, device, (), (), 0, "", "plugin", ())
    return msgspec.structs.replace(base, **fields)


def typed(*dtypes: str, device: str = "GPU", **fields: object) -> KernelDef:
    return kernel(device=device, constraints=(("T", dtypes),), **fields)


def test_a_type_must_be_allowed() -> None:
    registry = KernelRegistry([typed("float32"), typed("float16")])
    assert registry.match("Mul", "GPU", {"T": "float16"}) == typed("float16")
    assert registry.match("Mul", "GPU", {"T": "int64"}) is None


def test_an_unconstrained_kernel_takes_everything() -> None:
    registry = KernelRegistry([kernel()])
    assert registry.match("Mul", "GPU", {"T": "string"}) is not None
    assert registry.match("Mul", "GPU", {}) is not None


def test_a_constrained_attribute_must_be_there() -> None:
    assert KernelRegistry([typed("float32")]).match("Mul", "GPU", {"N": 2}) is None


def test_every_constraint_counts() -> None:
    both = kernel(constraints=(("T", ("float32",)), ("Tidx", ("int32",))))
    registry = KernelRegistry([both])
    assert registry.match("Mul", "GPU", {"T": "float32", "Tidx": "int32"}) == both
    assert registry.match("Mul", "GPU", {"T": "float32", "Tidx": "int64"}) is None


def test_in_a_list_of_types_each_must_be_allowed() -> None:
    registry = KernelRegistry([typed("float32", "int32")])
    assert registry.match("Mul", "GPU", {"T": ("int32", "float32")}) is not None
    assert registry.match("Mul", "GPU", {"T": ("int32", "string")}) is None
    assert registry.match("Mul", "GPU", {"T": ()}) is not None  # as in KernelAttrsMatch


def test_constraints_on_other_kinds_of_values() -> None:
    registry = KernelRegistry(
        [kernel(constraints=(("policy", ("IGNORE",)), ("adjoint", ("true",)), ("n", ("2",))))]
    )
    attrs = {"policy": b"IGNORE", "adjoint": True, "n": 2}
    assert registry.match("Mul", "GPU", attrs) is not None
    assert registry.match("Mul", "GPU", {**attrs, "adjoint": False}) is None


def test_the_device_goes_before_default_whatever_the_priority() -> None:
    own, generic = typed("float32"), typed("float32", device="DEFAULT", priority=9)
    registry = KernelRegistry([generic, own])
    assert registry.match("Mul", "GPU", {"T": "float32"}) == own


def test_default_serves_what_the_device_lacks() -> None:
    generic = typed("int32", device="DEFAULT", host_memory=("x",))
    registry = KernelRegistry([typed("float32"), generic])
    assert registry.match("Mul", "GPU", {"T": "int32"}) == generic
    assert registry.match("Mul", "CPU", {"T": "int32"}) == generic


def test_the_highest_priority_wins() -> None:
    low, high = typed("float32"), typed("float32", priority=1)
    assert KernelRegistry([low, high]).match("Mul", "GPU", {"T": "float32"}) == high


def test_a_label_is_asked_for_by_name() -> None:
    plain, labelled = kernel(), kernel(label="fast")
    registry = KernelRegistry([plain, labelled])
    assert registry.match("Mul", "GPU", {}) == plain
    assert registry.match("Mul", "GPU", {}, label="fast") == labelled
    assert registry.match("Mul", "GPU", {}, label="slow") is None


def test_two_of_one_priority_are_what_tensorflow_refuses() -> None:
    registry = KernelRegistry([typed("float32"), kernel()])
    assert len(registry.matches("Mul", "GPU", {"T": "float32"})) == 2
    assert len(registry.matches("Mul", "GPU", {"T": "int32"})) == 1


def test_questions_about_an_op() -> None:
    registry = KernelRegistry([typed("int32", device="DEFAULT"), typed("bfloat16", "float32")])
    assert registry.ops() == {"Mul"}
    assert registry.has_op("Mul", "GPU") and not registry.has_op("Elu", "GPU")
    assert registry.kernels("Mul", "CPU") == () and len(registry.kernels("Mul")) == 2
    assert registry.dtypes("Mul", "GPU") == {"T": ("float32", "bfloat16", "int32")}
    assert registry.dtypes("Elu", "GPU") == {}
