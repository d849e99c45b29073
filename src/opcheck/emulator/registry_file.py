"""What the emulated device is to be, in the form that device.cc reads.

The kernels of the target replace those of the running TensorFlow, on the accelerator and among the
device-generic ones: what the target lacks is dropped, what only the target has is added. So a macOS
core, another TensorFlow version or a CUDA build beside it makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from opcheck.targets import KernelDef, Target
from opcheck.targets.kernels import DEFAULT

# DType.name where TensorFlow's C++ has another name for the same type.
_CPP_NAMES = {"float16": "half", "float32": "float", "float64": "double"}


@dataclass(frozen=True)
class OpAttrs:
    """The type attributes of an op that the running TensorFlow knows, and all its arguments."""

    types: frozenset[str]
    arguments: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """``add`` and ``drop`` are kernels as lines; ``wanted`` is what there must be afterwards.

    ``left_out`` are kernels of the target that this TensorFlow cannot register, because it knows
    no such op, argument or type. No graph that it makes can need them.
    """

    wanted: frozenset[str]
    add: tuple[str, ...]
    drop: tuple[str, ...]
    left_out: tuple[str, ...]


def plan(
    target: Target,
    running: Iterable[KernelDef],
    op_attrs: Callable[[str], OpAttrs | None],
    known_types: frozenset[str],
) -> Plan:
    """How to get from the ``running`` registrations to the target's."""
    here = {line(kernel) for kernel in running if kernel.device in (target.device_type, DEFAULT)}
    wanted: dict[str, KernelDef] = {}
    left_out = []
    for op in sorted(target.registry.ops()):
        for kernel in target.registry.kernels(op):
            if kernel.device not in (target.device_type, DEFAULT):
                continue
            if line(kernel) in here or _can_be_registered(kernel, op_attrs(op), known_types):
                wanted[line(kernel)] = kernel
            else:
                left_out.append(line(kernel))
    # A plugin's kernel is ours even where this core has the same: that one may need real hardware.
    add = {text for text, kernel in wanted.items() if kernel.origin == "plugin"} | (
        wanted.keys() - here
    )
    keep = wanted.keys() - add
    return Plan(
        frozenset(wanted),
        tuple(sorted(add)),
        tuple(sorted(here - keep)),
        tuple(left_out),
    )


def render(target: Target, plan: Plan) -> str:
    """The registry file of ``target``."""
    lines = [f"platform {target.platform}", f"device {target.device_type}"]
    lines += [f"optimizer {name} {state}" for name, state in target.optimizer_switches]
    lines += [f"drop {kernel}" for kernel in plan.drop]
    lines += [f"add {kernel}" for kernel in plan.add]
    return "\n".join(lines) + "\n"


def line(kernel: KernelDef) -> str:
    """A registration as device.cc writes it: equal registrations give equal lines."""
    constraints = sorted(
        f"{attr}={','.join(sorted(_CPP_NAMES.get(value, value) for value in values))}"
        for attr, values in kernel.constraints
    )
    fields = (
        kernel.op,
        kernel.device,
        str(kernel.priority),
        kernel.label,
        ";".join(constraints),
        ",".join(sorted(kernel.host_memory)),
    )
    return " ".join(field or "-" for field in fields)


def _can_be_registered(kernel: KernelDef, op: OpAttrs | None, known_types: frozenset[str]) -> bool:
    return (
        op is not None
        and all(attr in op.types and known_types.issuperset(v) for attr, v in kernel.constraints)
        and op.arguments.issuperset(kernel.host_memory)
    )
