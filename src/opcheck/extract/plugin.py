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
from packaging.version import Version

from opcheck.errors import ExtractError
from opcheck.extract import apple, runtime
from opcheck.extract.image import Arch, Image
from opcheck.extract.library import load
from opcheck.extract.machine import Fault, Handler, Machine
from opcheck.extract.recorder import Recorder
from opcheck.targets.kernels import KernelDef

T = TypeVar("T")
_ANY_MACOS = Version("0")
_MOST_SYSTEMS = 16  # Apple's plugins tell two or three apart

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

_LAYOUTS = {
    "2.10": OPTIMIZERS,
    "0": tuple(o for o in OPTIMIZERS if o != "auto_mixed_precision_onednn_bfloat16"),
}
"""The fields by the TensorFlow that brought them: 2.10 added one in the middle."""


class PluginFacts(msgspec.Struct, frozen=True):
    """Everything a plugin says about itself while it is loaded."""

    arch: Arch
    platform: str
    device_type: str
    optimizer_switches: tuple[tuple[str, str], ...]
    defines: tuple[str, ...]
    """Ops that the plugin defines itself."""
    kernels: tuple[KernelDef, ...]
    asked: tuple[str, ...]
    """The versions of macOS that it looks for before it registers a kernel."""
    unanswered: tuple[str, ...]
    """The functions that it called while it registered and that got 0 for an answer."""


def extract_plugin(
    path: Path,
    arch: Arch | None = None,
    tensorflow: str | None = None,
    oldest: Version | None = None,
) -> PluginFacts:
    """Run the plugin's entry points once for every answer its system checks can get.

    ``tensorflow`` is the version that reads the optimizer switches: most plugins do not say which
    layout they wrote. Without it such a plugin's switches stay unknown, and are left out.
    ``oldest`` is the first macOS that the plugin can be installed on: what that one has, no kernel
    says that it requires.
    """
    image = load(path, arch)
    if "TF_InitKernel" not in image.symbols:
        raise ExtractError(
            f"{path.name} is not a TensorFlow plugin: it has no TF_InitKernel.",
            hint="Pluggable-device plugins live in the tensorflow-plugins folder of their wheel.",
        )
    full = _Run(image, apple.Gates())
    full.init_kernels()
    unanswered = full.machine.unanswered - {""}
    kernels, asked = _on_every_system(image, full, oldest or _ANY_MACOS)
    platform, device_type = _or_explain(path, "SE_InitPlugin", full.init_platform)
    switches = (
        _or_explain(path, "TF_InitGraph", lambda: full.init_graph(tensorflow))
        if "TF_InitGraph" in image.symbols
        else ()
    )
    return PluginFacts(
        image.arch,
        platform,
        device_type,
        switches,
        tuple(full.defines),
        kernels,
        asked=tuple(str(version) for version in sorted(asked)),
        unanswered=tuple(sorted(unanswered)),
    )


def _on_every_system(
    image: Image, newest: _Run, oldest: Version
) -> tuple[tuple[KernelDef, ...], frozenset[Version]]:
    """The kernels of every macOS that a check of the plugin tells from another, each with the
    versions that have it: the plugin is run as on the oldest, and on each later one that it asks
    for. All that it asks for comes second."""
    runs: dict[Version, Counter[KernelDef]] = {}
    asked = set(newest.gates.asked)
    while missing := {max(version, oldest) for version in (oldest, *asked)} - runs.keys():
        if len(runs) == _MOST_SYSTEMS:
            raise ExtractError(
                f"The plugin tells more than {_MOST_SYSTEMS} versions of macOS apart."
            )
        run = _Run(image, apple.Gates(missing.pop()))
        run.init_kernels()
        asked |= run.gates.asked
        runs[run.gates.macos] = Counter(run.kernels)
    found = []
    for kernel in dict.fromkeys(k for version in sorted(runs, reverse=True) for k in runs[version]):
        counts = [runs[version][kernel] for version in sorted(runs)]
        for number in range(max(counts)):
            there = [count > number for count in counts]
            requires = _requirement(sorted(runs), there)
            found.append(msgspec.structs.replace(kernel, requires=requires))
    return tuple(found), frozenset(asked)


def _requirement(versions: list[Version], there: list[bool]) -> tuple[tuple[str, str], ...]:
    """The one range of versions where a kernel is there, as what a system must be."""
    first = there.index(True)
    end = first + sum(there)
    if not all(there[first:end]):
        raise ExtractError("The plugin has a kernel on two macOS versions, and not between them.")
    since = [("macos", f">={versions[first]}")] if first else []
    before = [("macos", f"<{versions[end]}")] if end < len(versions) else []
    return tuple(since + before)


def _or_explain(path: Path, function: str, run: Callable[[], T]) -> T:
    try:
        return run()
    except Fault as fault:
        raise ExtractError(f"{function} of {path.name} could not be emulated: {fault}.") from None


class _Run:
    """One emulated process in which the plugin is loaded."""

    def __init__(self, image: Image, gates: apple.Gates) -> None:
        self.gates = gates
        self._recorder = Recorder("plugin")
        symbols = {i.symbol for i in image.imports} | image.symbols.keys() | image.local.keys()
        handlers: dict[str, Handler] = {
            **runtime.handlers(symbols),
            **gates.handlers(),
            **self._recorder.handlers(symbols),
        }
        self.machine = Machine([image], handlers, runtime.objects(symbols))
        self._symbols = image.symbols
        for initializer in image.initializers:
            self._try(initializer.address)

    @property
    def kernels(self) -> list[KernelDef]:
        return self._recorder.kernels

    @property
    def defines(self) -> list[str]:
        return self._recorder.defines

    def _try(self, initializer: int) -> None:
        """A constructor that needs more of a system than we have is not our concern: the
        registration functions either work without it or fail and say so."""
        try:
            self.machine.call(initializer)
        except Fault:
            return

    def init_kernels(self) -> None:
        self.machine.unanswered.clear()
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

    def init_graph(self, tensorflow: str | None) -> tuple[tuple[str, str], ...]:
        """The Grappler passes that ``TF_InitGraph`` switches on or off."""
        m = self.machine
        configs, optimizer = m.alloc(256), m.alloc(256)
        # TP_OptimizerRegistrationParams: struct_size, ext, version x3, device_type, configs, ...
        params = m.put(struct.pack("<QQiii4xQQQQQ", 72, 0, 0, 0, 1, 0, configs, optimizer, 0, 0))
        m.call(self._symbols["TF_InitGraph"], params, m.alloc(64))
        fields = _fields(m.word(configs), tensorflow)
        states = struct.unpack(f"<{len(fields)}i", m.read(configs + 16, 4 * len(fields)))
        words = {1: "off", 2: "on"}
        return tuple((n, words[s]) for n, s in zip(fields, states, strict=True) if s in words)


def _fields(struct_size: int, tensorflow: str | None) -> tuple[str, ...]:
    """What stands in a ``TP_OptimizerConfigs``: by its size, or as TensorFlow will read it."""
    for since, fields in _LAYOUTS.items():
        if struct_size == 16 + 4 * len(fields):
            return fields
        if not struct_size and tensorflow and Version(tensorflow) >= Version(since):
            return fields
    return ()
