"""From the kernels that are there to those that a target has."""

from __future__ import annotations

from opcheck.emulator.registry_file import OpAttrs, line, plan, render
from opcheck.targets import KernelDef, KernelRegistry, Target

TYPES = frozenset({"float32", "float16", "int32"})
OPS = {
    "AddV2": OpAttrs(frozenset({"T"}), frozenset({"x", "y", "z"})),
    "Pack": OpAttrs(frozenset({"T"}), frozenset({"values", "output"})),
}


def kernel(op: str, device: str, origin: str = "core", *, host: tuple[str, ...] = (), **types: str):
    constraints = tuple((attr, tuple(names.split())) for attr, names in types.items())
    return KernelDef(op, device, constraints, host, 0, "", origin, ())  # type: ignore[arg-type]


def target(*kernels: KernelDef) -> Target:
    return Target(
        plugin="metal",
        version="9.9",
        arch="arm64",
        os_version="13",
        device_type="GPU",
        platform="METAL",
        tensorflow="2.18.1",
        tensorflow_supported=(),
        keras_major=3,
        optimizer_switches=(("layout_optimizer", "off"),),
        registry=KernelRegistry(kernels),
        match="exact",
        provenance=(),
    )


def changes(wanted: list[KernelDef], running: list[KernelDef]) -> tuple[tuple[str, ...], ...]:
    made = plan(target(*wanted), running, OPS.get, TYPES)
    return made.add, made.drop, made.left_out


ADD = kernel("AddV2", "GPU", "plugin", T="float32")
PACK = kernel("Pack", "DEFAULT", host=("values", "output"), T="float32")


def test_a_line_for_each_registration() -> None:
    both = kernel("AddV2", "GPU", host=("y", "x"), T="int32 float32", Tidx="int32")
    assert line(both) == "AddV2 GPU 0 - T=float,int32;Tidx=int32 x,y"
    assert line(kernel("NoOp", "DEFAULT")) == "NoOp DEFAULT 0 - - -"


def test_what_only_the_target_has_is_added() -> None:
    assert changes([ADD, PACK], []) == ((line(ADD), line(PACK)), (), ())


def test_what_both_have_is_kept() -> None:
    assert changes([PACK], [PACK]) == ((), (), ())


def test_what_only_this_tensorflow_has_is_dropped() -> None:
    cuda = kernel("Pack", "GPU", T="float16")
    assert changes([PACK], [PACK, cuda]) == ((), (line(cuda),), ())


def test_a_kernel_of_the_plugin_replaces_one_that_needs_cuda() -> None:
    cuda = kernel("AddV2", "GPU", T="float32")
    assert changes([ADD], [cuda]) == ((line(ADD),), (line(ADD),), ())


def test_the_cpu_is_left_alone() -> None:
    cpu = kernel("AddV2", "CPU", T="float32")
    assert changes([cpu], []) == changes([], [cpu]) == ((), (), ())


def test_what_this_tensorflow_does_not_know_is_left_out() -> None:
    newer_op = kernel("AddV9", "GPU", "plugin")
    newer_type = kernel("AddV2", "GPU", "plugin", T="float8_e5m2")
    newer_attr = kernel("AddV2", "GPU", "plugin", Tout="float32")
    unknown = [newer_op, newer_type, newer_attr]
    add, drop, left_out = changes([ADD, *unknown], [])
    assert (add, drop) == ((line(ADD),), ())
    assert set(left_out) == set(map(line, unknown))


def test_the_file() -> None:
    cuda = kernel("Pack", "GPU", T="float16")
    on = target(ADD, PACK)
    assert render(on, plan(on, [PACK, cuda], OPS.get, TYPES)).splitlines() == [
        "platform METAL",
        "device GPU",
        "optimizer layout_optimizer off",
        "drop Pack GPU 0 - T=half -",
        "add AddV2 GPU 0 - T=float -",
    ]
