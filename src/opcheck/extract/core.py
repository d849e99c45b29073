"""The kernels of TensorFlow itself, found by running a library's static initializers.

``REGISTER_KERNEL_BUILDER`` makes a kernel registration a static initializer. Every call that
one makes into the builder is an import (TensorFlow's framework library defines it), so running
each initializer on its own with those answered recovers the registry. The framework library is
mapped beside it, for the many small registries that initializers also fill. An initializer that
needs more of a system than there is here is abandoned and named: `CoreFacts.abandoned`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from opcheck.errors import ExtractError
from opcheck.extract import runtime
from opcheck.extract.image import SLIDE, Arch, Image
from opcheck.extract.library import load
from opcheck.extract.machine import Fault, Handler, Machine, Object
from opcheck.extract.recorder import Recorder
from opcheck.targets.kernels import KernelDef

_DEVICE = re.compile(r"_ZN10tensorflow\d+DEVICE_(\w+)E")
_BUDGET = 20_000_000
REGISTRAR_CONSTRUCTOR = re.compile(r"_ZN10tensorflow14kernel_factory17OpKernelRegistrarC[12]E")


class Abandoned(msgspec.Struct, frozen=True):
    """An initializer that did not run to its end."""

    address: int
    name: str
    reason: str
    kernels: int
    """What it had registered before."""

    @property
    def label(self) -> str:
        """Its symbol, or its address in a stripped library."""
        return self.name or f"{self.address:#x}"


class LibraryFacts(msgspec.Struct, frozen=True):
    """What one library registers."""

    name: str
    arch: Arch
    initializers: int
    abandoned: tuple[Abandoned, ...]
    kernels: tuple[KernelDef, ...]
    calls: tuple[int, ...]
    """For each kernel, where the call of the registrar returns to."""


def extract_core(paths: Sequence[Path], arch: Arch | None = None) -> tuple[LibraryFacts, ...]:
    """Run every static initializer of the libraries, which are loaded in this order."""
    return run_initializers(load_together(paths, arch))


def load_together(paths: Sequence[Path], arch: Arch | None = None) -> tuple[Image, ...]:
    """The libraries of one process, each with addresses of its own."""
    return tuple(load(path, arch, SLIDE * (1 + index)) for index, path in enumerate(paths))


def run_initializers(images: Sequence[Image]) -> tuple[LibraryFacts, ...]:
    """As `extract_core`, of libraries that are open."""
    recorder = Recorder("core")
    machine = _machine(images, recorder)
    for image in images:
        names = {**image.symbols, **image.local}
        for address in {names[name] for name in names if REGISTRAR_CONSTRUCTOR.match(name)}:
            machine.watch(address, recorder.constructs_registrar)
    found = tuple(_run(machine, image, recorder) for image in images)
    if not recorder.kernels:
        raise ExtractError(f"No initializer of {images[-1].path.name} registers a kernel.")
    return found


def _run(machine: Machine, image: Image, recorder: Recorder) -> LibraryFacts:
    first = len(recorder.kernels)
    abandoned = []
    for initializer in image.initializers:
        before = len(recorder.kernels)
        try:
            machine.call(initializer.address)
        except Fault as fault:
            abandoned.append(
                Abandoned(
                    address=initializer.address - image.slide,
                    name=initializer.name,
                    reason=str(fault),
                    kernels=len(recorder.kernels) - before,
                )
            )
    return LibraryFacts(
        name=image.path.name,
        arch=image.arch,
        initializers=len(image.initializers),
        abandoned=tuple(abandoned),
        kernels=tuple(recorder.kernels[first:]),
        calls=tuple(recorder.calls[first:]),
    )


def _machine(images: Sequence[Image], recorder: Recorder) -> Machine:
    defined = {name for image in images for name in image.symbols}
    symbols = defined | {i.symbol for image in images for i in image.imports}
    symbols |= {name for image in images for name in image.local}
    handlers: dict[str, Handler] = {
        **runtime.handlers(symbols),
        **recorder.handlers(symbols, defined),
    }
    objects: dict[str, Object] = {**runtime.objects(symbols), **_devices(symbols)}
    return Machine(images, handlers, objects, max_instructions=_BUDGET)


def _devices(symbols: set[str]) -> dict[str, Object]:
    """``DEVICE_CPU`` and the like are pointers to strings, exported as data."""
    matches = [m for m in map(_DEVICE.fullmatch, symbols) if m]
    return {m[0]: _string_pointer(m[1]) for m in matches}


def _string_pointer(text: str) -> Object:
    def make(m: Machine) -> int:
        return m.put(m.put(text.encode() + b"\0").to_bytes(8, "little"))

    return make
