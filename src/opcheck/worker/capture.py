"""The registry of a running TensorFlow: what it has with the accelerator's plugin and without.

TensorFlow does not say whose kernel is whose. So it is imported with the plugin out of sight, its
kernels are listed, the plugin is loaded as TensorFlow would have loaded it (tensorflow/__init__.py,
"Load all plugin libraries from site-packages/tensorflow-plugins"), and what is new is the plugin's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import msgspec

from opcheck import emulator
from opcheck.errors import CaptureError
from opcheck.installed import version_of
from opcheck.targets import KernelDef, Provenance
from opcheck.targets.kernels import DEFAULT
from opcheck.targets.recorded import SCHEMA, Host, Recorded, nearest_traits, plugin_named
from opcheck.targets.rows import Row
from opcheck.targets.store import PluginTraits
from opcheck.worker.session import Progress, environment, import_tensorflow

_FOLDER = "tensorflow-plugins"
_CORE_DEVICES = ("CPU", "GPU", DEFAULT)
"""A check never asks for kernels of XLA's devices or of TPUs."""

_ARCHITECTURES: dict[str, Literal["arm64", "x86_64"]] = {"arm64": "arm64", "aarch64": "arm64"}


def capture(folder: Path) -> Recorded:
    """Take the registry of the one plugin that is installed here.

    Raises:
        CaptureError: there is none, there are several, or TensorFlow cannot load it.
        MissingTensorFlowError: TensorFlow cannot be imported.
    """
    progress = Progress(folder / "progress")
    plugin, library = _installed()
    progress("importing TensorFlow without its plugin")
    with _out_of_sight():
        tf = import_tensorflow()
    before = Counter(emulator.registered())
    progress("loading the plugin")
    _load(library.parent, plugin)
    added = Counter(emulator.registered()) - before
    if not added:
        raise CaptureError(
            f"{_named(plugin)} registers no kernel with TensorFlow {tf.__version__}."
        )
    return _recorded(tf, plugin, library, list(before.elements()), list(added.elements()))


def _installed() -> tuple[Distribution, Path]:
    """The distribution that brings a plugin, and the plugin's library."""
    found: dict[Path, Distribution] = {}
    for distribution in distributions():
        for file in distribution.files or ():
            if file.parent.name == _FOLDER and file.suffix in (".so", ".dylib", ".dll"):
                found[Path(str(distribution.locate_file(file)))] = distribution
    if not found:
        raise CaptureError(
            "No accelerator plugin is installed beside this Python's TensorFlow.",
            hint="Run it where tensorflow-metal or tensorflow-directml-plugin is installed.",
        )
    if len(found) > 1:
        names = " and ".join(sorted(map(_named, found.values())))
        raise CaptureError(f"Whose kernels are whose cannot be told apart: {names}.")
    ((library, distribution),) = found.items()
    return distribution, library


@contextlib.contextmanager
def _out_of_sight() -> Iterator[None]:
    """TensorFlow looks for the folder with ``os.path.exists`` when it is imported."""
    exists = os.path.exists

    def others_exist(path: Any) -> bool:
        return exists(path) and Path(os.fsdecode(path)).name != _FOLDER

    with mock.patch("os.path.exists", others_exist):
        yield


def _load(folder: Path, plugin: Distribution) -> None:
    from tensorflow.python.framework.load_library import (
        load_library,
        load_pluggable_device_library,
    )

    try:
        load_library(str(folder))
        load_pluggable_device_library(str(folder))
    except Exception as error:
        raise CaptureError(f"TensorFlow cannot load {_named(plugin)}: {error}.") from error


def _recorded(
    tf: Any, plugin: Distribution, library: Path, core: list[KernelDef], added: list[KernelDef]
) -> Recorded:
    device_type = Counter(kernel.device for kernel in added).most_common(1)[0][0]
    devices = {*_CORE_DEVICES, device_type}
    kernels = [msgspec.structs.replace(_ordered(kernel), origin="plugin") for kernel in added]
    kernels += [_ordered(kernel) for kernel in core if kernel.device in devices]
    name = plugin_named(plugin.metadata["Name"], "")
    return Recorded(
        schema=SCHEMA,
        generated_by="opcheck registry capture",
        method="captured",
        plugin=name,
        version=plugin.version,
        distribution=plugin.metadata["Name"],
        arch=_ARCHITECTURES.get(platform.machine(), "x86_64"),
        os_versions=(platform.mac_ver()[0],) if platform.system() == "Darwin" else (),
        traits=_traits(name, plugin.version, device_type, environment(tf, None).accelerators),
        host=Host(
            tensorflow=str(tf.__version__),
            keras_major=int((version_of("keras") or "2").split(".")[0]),
            system=platform.platform(),
            machine=platform.machine(),
            devices=tuple(device.name for device in tf.config.list_physical_devices()),
            ops_without_kernels=tuple(sorted({*dir(tf.raw_ops)} - {k.op for k in kernels})),
        ),
        sources=(
            Provenance(
                wheel=_named(plugin),
                sha256=hashlib.sha256(library.read_bytes()).hexdigest(),
                member=f"{_FOLDER}/{library.name}",
                method=f"captured from a running TensorFlow {tf.__version__}",
                ops=len({kernel.op for kernel in added}),
                kernels=len(added),
            ),
        ),
        kernels=tuple(map(Row.of, kernels)),
    )


def _ordered(kernel: KernelDef) -> KernelDef:
    """As in the shipped registries; TensorFlow lists an argument as often as it was named."""
    return msgspec.structs.replace(kernel, host_memory=tuple(sorted({*kernel.host_memory})))


def _traits(
    name: str, version: str, device_type: str, accelerators: tuple[tuple[str, str], ...]
) -> PluginTraits:
    """TensorFlow tells neither the platform's name, where it lists no device, nor which optimizers
    are switched off: these are of the nearest known version."""
    known = nearest_traits(name, version) or PluginTraits(device_type, device_type, (), ())
    listed = dict(accelerators)
    return PluginTraits(
        platform=listed.get(device_type, known.platform),
        device_type=device_type,
        optimizer_switches=known.optimizer_switches,
        defines=known.defines,
    )


def _named(distribution: Distribution) -> str:
    return f"{distribution.metadata['Name']} {distribution.version}"
