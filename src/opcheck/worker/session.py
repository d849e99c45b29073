"""One check inside the worker: import, build, trace, run, answer."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from opcheck import emulator, targets
from opcheck.errors import BuildError, MissingTensorFlowError
from opcheck.worker.protocol import (
    TracedStep,
    WorkerEnvironment,
    WorkerReply,
    WorkerRequest,
)

# Grappler rewrites a graph that is placed already, and takes longer than the step: the placer's log
# does not depend on it. Except that it swaps functions by device, Keras 2's LSTM and GRU, whose
# bodies are placed when they are called. (context.py: False switches one off, True is for
# "disable_" names.)
_GRAPPLER = {
    **dict.fromkeys(
        (
            "arithmetic_optimization",
            "auto_mixed_precision",
            "constant_folding",
            "debug_stripper",
            "dependency_optimization",
            "function_optimization",
            "layout_optimizer",
            "loop_optimization",
            "pin_to_host_optimization",
            "remapping",
            "scoped_allocator_optimization",
            "shape_optimization",
            "use_plugin_optimizers",
        ),
        False,
    ),
    "disable_model_pruning": True,
    "implementation_selector": True,
}


def check(request: WorkerRequest, folder: Path) -> WorkerReply:
    """Do what ``request`` asks. Raises what ``opcheck.errors`` has for it."""
    progress = Progress(folder / "progress")
    progress("importing TensorFlow")
    tf = import_tensorflow()
    if request.emulate is not None:
        progress("starting the emulated device")
        emulator.load(targets.resolve(request.emulate))
    tf.config.optimizer.set_experimental_options(_GRAPPLER)
    reply = _check(request, folder, progress, tf)
    here = msgspec.structs.replace(reply.environment, emulated=request.emulate)
    return msgspec.structs.replace(reply, environment=here)


def _check(
    request: WorkerRequest, folder: Path, progress: Callable[[str], None], tf: Any
) -> WorkerReply:
    if request.source.architecture is None and request.source.format != "factory":
        return _check_graph(request, folder, progress, tf)
    try:
        return _check_keras(request, folder, progress, tf)
    except BuildError as error:
        if request.source.format != "savedmodel":
            raise
        # The layers cannot be rebuilt here, but the graphs they were saved as are there.
        reply = _check_graph(request, folder, progress, tf)
        note = f"Read as a graph, because {error.message}"
        return msgspec.structs.replace(reply, notes=(note, *reply.notes))


def _check_graph(
    request: WorkerRequest, folder: Path, progress: Callable[[str], None], tf: Any
) -> WorkerReply:
    from opcheck.worker.saved_graph import check_saved_graph

    return check_saved_graph(request, folder / "log", progress, environment(tf, None))


def _check_keras(
    request: WorkerRequest, folder: Path, progress: Callable[[str], None], tf: Any
) -> WorkerReply:
    from opcheck.worker.build import build
    from opcheck.worker.keras_steps import inference_step, training_step
    from opcheck.worker.messages import first_line
    from opcheck.worker.steps import trace

    progress("building the model")
    built = build(request)
    makers = {"inference": inference_step, "training": training_step}
    steps = []
    for step in request.steps:
        progress(f"tracing the {step} step")
        try:
            function = makers[step](built)
            steps.append(trace(function, folder / "log", request.batch_size))
        except Exception as error:
            if step == "inference":
                raise BuildError(
                    f"{request.source.path}: the inference function could not be traced: "
                    f"{first_line(error)}."
                ) from error
            steps.append(TracedStep(step, None, error=first_line(error)))
    return WorkerReply(
        environment(tf, built.api), built.layers, tuple(steps), built.replaced, built.notes
    )


def environment(tf: Any, api: Any) -> WorkerEnvironment:
    return WorkerEnvironment(
        python=platform.python_version(),
        system=platform.system(),
        machine=platform.machine(),
        tensorflow=str(tf.__version__),
        keras=api.version if api is not None else "",
        keras_package=api.package if api is not None else "",
        accelerators=_accelerators(tf),
    )


def _accelerators(tf: Any) -> tuple[tuple[str, str], ...]:
    """Device type and platform name of every pluggable accelerator TensorFlow lists."""
    from tensorflow.python.client import device_lib

    if not any(device.device_type != "CPU" for device in tf.config.list_physical_devices()):
        return ()
    found = []
    for device in device_lib.list_local_devices():
        if device.device_type in ("GPU", "DML"):
            named = device.physical_device_desc
            name = next((p for p in ("METAL", "DML", "DirectML") if p in named), "GPU")
            found.append((device.device_type, name))
    return tuple(found)


def import_tensorflow() -> Any:
    try:
        import tensorflow as tf
    except ImportError as error:
        raise MissingTensorFlowError(
            f"TensorFlow cannot be imported here: {error}.",
            hint="pip install 'opcheck[tf]' brings the right one; `opcheck inspect` needs none.",
        ) from error
    # TensorFlow reads this when it starts its devices, so it must come first.
    tf.debugging.set_log_device_placement(True)
    return tf


class Progress:
    """Stage names, one line each, for the parent to show."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, stage: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(stage + "\n")
