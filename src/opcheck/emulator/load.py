"""Registers the emulated device in this process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from opcheck.cache import cache_dir
from opcheck.emulator.build import build
from opcheck.emulator.registry_file import OpAttrs, Plan, line, plan, render
from opcheck.errors import EmulatorError
from opcheck.targets import KernelDef, Target
from opcheck.targets.kernels import DEFAULT

_VARIABLE = "OPCHECK_EMULATOR_REGISTRY"
_loaded: dict[str, Plan] = {}  # by the target's description; at most one


def load(target: Target, cache: Path | None = None) -> Plan:
    """Give this process an accelerator with exactly the kernels of ``target``.

    TensorFlow's devices must not have been used yet, and a process can hold one target only: the
    same one again is no work.

    Raises:
        EmulatorError: the device could not be built or loaded, or is not what it should be.
    """
    import tensorflow as tf
    from tensorflow.python.eager import context

    if target.description in _loaded:
        return _loaded[target.description]
    from tensorflow.python.framework.load_library import load_pluggable_device_library

    if context.context()._initialized:
        raise EmulatorError("The emulated device must be loaded before TensorFlow's devices start.")
    if tf.config.list_physical_devices(target.device_type):
        raise EmulatorError(
            f"This process already has a {target.device_type}: nothing can be emulated beside it."
        )
    library = build(cache or cache_dir())
    planned = plan(target, registered(), _op_attrs, _known_types())
    with tempfile.TemporaryDirectory(prefix="opcheck-") as folder:
        registry = Path(folder) / "registry"
        registry.write_text(render(target, planned), encoding="utf-8")
        os.environ[_VARIABLE] = str(registry)
        try:
            load_pluggable_device_library(str(library))
        except Exception as error:
            raise EmulatorError(
                f"TensorFlow {tf.version.VERSION} could not load the emulated device: {error}."
            ) from error
        finally:
            del os.environ[_VARIABLE]
    _check(target, planned)
    _loaded[target.description] = planned
    return planned


def registered() -> list[KernelDef]:
    """Every kernel that is registered in this process now, of all devices."""
    from tensorflow.python.framework import kernels

    return [_kernel(proto) for proto in kernels.get_all_registered_kernels().kernel]


def _check(target: Target, planned: Plan) -> None:
    devices = (target.device_type, DEFAULT)
    present = {line(kernel) for kernel in registered() if kernel.device in devices}
    if present != planned.wanted:
        wrong = sorted(present ^ planned.wanted)
        raise EmulatorError(
            f"The emulated device differs from {target.label} in {len(wrong)} kernels, such as "
            f"'{wrong[0]}': this build of TensorFlow cannot be made to look like it."
        )


def _kernel(proto: Any) -> KernelDef:
    return KernelDef(
        op=proto.op,
        device=proto.device_type,
        constraints=tuple((c.name, _values(c.allowed_values.list)) for c in proto.constraint),
        host_memory=tuple(proto.host_memory_arg),
        priority=proto.priority,
        label=proto.label,
        origin="core",
        requires=(),
    )


def _values(allowed: Any) -> tuple[str, ...]:
    from tensorflow.python.framework import dtypes

    return (
        *(dtypes.as_dtype(number).name for number in allowed.type),
        *(text.decode("utf-8", "replace") for text in allowed.s),
        *(str(number) for number in allowed.i),
        *(str(flag).lower() for flag in allowed.b),
    )


def _op_attrs(name: str) -> OpAttrs | None:
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(name)
    if definition is None:
        return None
    return OpAttrs(
        frozenset(attr.name for attr in definition.attr if attr.type in ("type", "list(type)")),
        frozenset(arg.name for arg in (*definition.input_arg, *definition.output_arg)),
    )


def _known_types() -> frozenset[str]:
    from tensorflow.core.framework import types_pb2
    from tensorflow.python.framework import dtypes

    found = set()
    for number in types_pb2.DataType.values():
        try:
            found.add(dtypes.as_dtype(number).name)
        except TypeError:  # DT_INVALID
            continue
    return frozenset(found)
