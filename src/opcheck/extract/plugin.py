"""What a pluggable-device library registers, found by running its entry points.

TensorFlow calls three functions of a plugin (tensorflow/c/experimental/stream_executor,
tensorflow/c/kernels.h and tensorflow/c/experimental/grappler): ``SE_InitPlugin`` names the
platform, ``TF_InitKernel`` registers the kernels and ``TF_InitGraph`` sets Grappler's switches.
They are run here with every ``TF_*`` function answered by this module.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from opcheck.errors import ExtractError
from opcheck.extract import apple, libc
from opcheck.extract.dtypes import dtype_name
from opcheck.extract.image import Arch, Image, load
from opcheck.extract.machine import Fault, Handler, Machine
from opcheck.targets.kernels import KernelDef

T = TypeVar("T")

OPTIMIZERS = (
    "disable_model_pruning", "implementation_selector", "function_optimization",
    "common_subgraph_elimination", "arithmetic_optimization", "debug_stripper",
    "constant_folding", "shape_optimization", "auto_mixed_precision",
    "auto_mixed_precision_onednn_bfloat16", "auto_mixed_precision_mkl",
    "pin_to_host_optimization", "layout_optimizer", "remapping", "loop_optimization",
    "dependency_optimization", "auto_parallel", "memory_optimization",
    "scoped_allocator_optimization",
)  # fmt: skip
"""The fields of ``TP_OptimizerConfigs`` in order (c/experimental/grappler/grappler.h)."""


class PluginFacts(msgspec.Struct, frozen=True):
    """Everything a plugin says about itself while it is loaded."""

    arch: Arch
    platform: str
    device_type: str
    optimizer_switches: tuple[tuple[str, str], ...]
    defines: tuple[str, ...]
    """Ops that the plugin defines itself."""
    kernels: tuple[KernelDef, ...]


def extract_plugin(path: Path, arch: Arch | None = None) -> PluginFacts:
    """Run the plugin's entry points once for every answer its system checks can get."""
    image = load(path, arch)
    if "TF_InitKernel" not in image.symbols:
        raise ExtractError(
            f"{path.name} is not a TensorFlow plugin: it has no TF_InitKernel.",
            hint="Pluggable-device plugins live in the tensorflow-plugins folder of their wheel.",
        )
    full = _Run(image, apple.Gates())
    full.init_kernels()
    kernels = _with_requirements(image, full)
    platform, device_type = _or_explain(path, "SE_InitPlugin", full.init_platform)
    switches = (
        _or_explain(path, "TF_InitGraph", full.init_graph)
        if "TF_InitGraph" in image.symbols
        else ()
    )
    return PluginFacts(image.arch, platform, device_type, switches, tuple(full.defines), kernels)


def _with_requirements(image: Image, full: _Run) -> tuple[KernelDef, ...]:
    """Compare the run in which every check succeeds with those in which one fails."""
    requires: dict[KernelDef, list[tuple[str, str]]] = {k: [] for k in full.kernels}
    for gate in full.gates.asked:
        other = _Run(image, apple.Gates(closed=frozenset({gate})))
        other.init_kernels()
        need, without = apple.requirement(gate)
        for kernel in Counter(full.kernels) - Counter(other.kernels):
            requires[kernel].append(need)
        for kernel in Counter(other.kernels) - Counter(full.kernels):
            requires.setdefault(kernel, []).append(without)
    rows = [k for k in full.kernels] + [k for k in requires if k not in set(full.kernels)]
    return tuple(msgspec.structs.replace(k, requires=tuple(requires[k])) for k in rows)


def _or_explain(path: Path, function: str, run: Callable[[], T]) -> T:
    try:
        return run()
    except Fault as fault:
        raise ExtractError(f"{function} of {path.name} could not be emulated: {fault}.") from None


class _Builder:
    """A ``TF_KernelBuilder``."""

    def __init__(self, op: str, device: str) -> None:
        self.op, self.device = op, device
        self.constraints: list[tuple[str, tuple[str, ...]]] = []
        self.host_memory: list[str] = []
        self.priority, self.label = 0, ""

    def build(self) -> KernelDef:
        return KernelDef(
            op=self.op,
            device=self.device,
            constraints=tuple(sorted(self.constraints)),
            host_memory=tuple(sorted(set(self.host_memory))),
            priority=self.priority,
            label=self.label,
            origin="plugin",
            requires=(),
        )


class _Run:
    """One emulated process in which the plugin is loaded."""

    def __init__(self, image: Image, gates: apple.Gates) -> None:
        self.gates = gates
        self.kernels: list[KernelDef] = []
        self.defines: list[str] = []
        self._builders: dict[int, _Builder] = {}
        handlers: dict[str, Handler] = {
            **libc.HANDLERS,
            **gates.handlers(),
            "TF_NewStatus": lambda m: m.alloc(64),
            "TF_NewKernelBuilder": self._new_builder,
            "TF_KernelBuilder_TypeConstraint": self._type_constraint,
            "TF_KernelBuilder_HostMemory": self._host_memory,
            "TF_KernelBuilder_Priority": self._priority,
            "TF_KernelBuilder_Label": self._label,
            "TF_RegisterKernelBuilder": self._register,
            "TF_NewOpDefinitionBuilder": self._new_op,
        }
        self.machine = Machine(image, handlers, libc.OBJECTS)
        self._symbols = image.symbols
        for initializer in image.initializers:
            self._try(initializer)

    def _try(self, initializer: int) -> None:
        """A constructor that needs more of a system than we have is not our concern: the
        registration functions either work without it or fail and say so."""
        try:
            self.machine.call(initializer)
        except Fault:
            return

    def init_kernels(self) -> None:
        path = self.machine.image.path
        _or_explain(
            path, "TF_InitKernel", lambda: self.machine.call(self._symbols["TF_InitKernel"])
        )
        if not self.kernels:
            raise ExtractError(f"TF_InitKernel of {path.name} registered no kernel.")

    def init_platform(self) -> tuple[str, str]:
        """The name and type that ``SE_InitPlugin`` gives to its ``SP_Platform``."""
        if "SE_InitPlugin" not in self._symbols:
            return "", ""
        m = self.machine
        platform = m.alloc(256)
        m.write(platform, struct.pack("<Q", 48))
        # SE_PlatformRegistrationParams: struct_size, ext, version x3, platform, platform_fns,
        # two out-pointers.
        params = m.put(struct.pack("<QQiii4xQQQQ", 64, 0, 0, 0, 1, platform, m.alloc(512), 0, 0))
        m.call(self._symbols["SE_InitPlugin"], params, m.alloc(64))
        name, kind = m.word(platform + 16), m.word(platform + 24)
        if not name or not kind:
            raise Fault("it named no platform")
        return m.text(name), m.text(kind)

    def init_graph(self) -> tuple[tuple[str, str], ...]:
        """The Grappler passes that ``TF_InitGraph`` switches on or off."""
        m = self.machine
        configs, optimizer = m.alloc(256), m.alloc(256)
        # TP_OptimizerRegistrationParams: struct_size, ext, version x3, device_type, configs, ...
        params = m.put(struct.pack("<QQiii4xQQQQQ", 72, 0, 0, 0, 1, 0, configs, optimizer, 0, 0))
        m.call(self._symbols["TF_InitGraph"], params, m.alloc(64))
        states = struct.unpack(f"<{len(OPTIMIZERS)}i", m.read(configs + 16, 4 * len(OPTIMIZERS)))
        words = {1: "off", 2: "on"}
        return tuple((n, words[s]) for n, s in zip(OPTIMIZERS, states, strict=True) if s in words)

    # -- TF_* ----------------------------------------------------------------------------

    def _new_builder(self, m: Machine) -> int:
        handle = m.alloc(64)
        self._builders[handle] = _Builder(m.text(m.arg(0)), m.text(m.arg(1)))
        return handle

    def _builder(self, handle: int) -> _Builder:
        if handle not in self._builders:
            raise Fault("it used a kernel builder that it never made")
        return self._builders[handle]

    def _type_constraint(self, m: Machine) -> None:
        dtype = dtype_name(m.arg(2) & 0xFFFF_FFFF)
        self._builder(m.arg(0)).constraints.append((m.text(m.arg(1)), (dtype,)))

    def _host_memory(self, m: Machine) -> None:
        self._builder(m.arg(0)).host_memory.append(m.text(m.arg(1)))

    def _priority(self, m: Machine) -> None:
        (value,) = struct.unpack("<i", struct.pack("<I", m.arg(1) & 0xFFFF_FFFF))
        self._builder(m.arg(0)).priority = value

    def _label(self, m: Machine) -> None:
        self._builder(m.arg(0)).label = m.text(m.arg(1))

    def _register(self, m: Machine) -> None:
        self.kernels.append(self._builder(m.arg(1)).build())

    def _new_op(self, m: Machine) -> int:
        self.defines.append(m.text(m.arg(0)))
        return m.alloc(64)
