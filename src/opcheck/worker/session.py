"""One check inside the worker: import, build, trace, run, answer."""

from __future__ import annotations

import gc
import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from opcheck import emulator, targets
from opcheck.confine import code
from opcheck.errors import BuildError, MissingTensorFlowError, UsageError
from opcheck.worker.protocol import (
    FixReply,
    FixRequest,
    Step,
    TracedStep,
    WorkerEnvironment,
    WorkerReply,
    WorkerRequest,
)

if TYPE_CHECKING:
    from opcheck.worker.build import BuiltModel
    from opcheck.worker.steps import StepFunction

Makers = Mapping[Step, Callable[[], "StepFunction"]]


def check(request: WorkerRequest, folder: Path) -> WorkerReply:
    """Do what ``request`` asks. Raises what ``opcheck.errors`` has for it."""
    progress = Progress(folder / "progress")
    progress("importing TensorFlow")
    tf = import_tensorflow()
    if not gc.get_freeze_count():
        gc.freeze()  # no collection walks TensorFlow's own objects: 15 % less CPU time
    if request.emulate is not None:
        progress("starting the emulated device")
        emulator.load(targets.resolve(request.emulate))
    from opcheck.worker import grappler

    grappler.switch_off()
    with _code_refused(request):
        reply = _check(request, folder, progress, tf)
    here = msgspec.structs.replace(reply.environment, emulated=request.emulate)
    return msgspec.structs.replace(reply, environment=here)


def fix(request: FixRequest, folder: Path) -> FixReply:
    """Rewrite a model; see `opcheck.worker.fix`."""
    progress = Progress(folder / "progress")
    progress("importing TensorFlow")
    import_tensorflow()
    from opcheck.worker.fix import fixed

    with _code_refused(request.check):
        return fixed(request, progress)


def _code_refused(request: WorkerRequest) -> AbstractContextManager[None]:
    """The user's own modules may well start a program; a file's Lambda may run only if trusted."""
    if request.trust or request.source.format == "factory":
        return nullcontext()
    return code.refused(programs=not request.custom_objects)


def _check(
    request: WorkerRequest, folder: Path, progress: Callable[[str], None], tf: Any
) -> WorkerReply:
    as_layers = request.source.architecture is not None or request.source.format == "factory"
    if not as_layers or request.signature is not None:
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
    from opcheck.worker.saved_graph import graph_steps

    progress("loading the graph")
    functions = graph_steps(request)
    makers = {step: partial(functions.__getitem__, step) for step in functions}
    steps = _trace(request, makers, folder / "log", progress)
    return WorkerReply(environment(tf, None), request.source.layers, steps)


def _check_keras(
    request: WorkerRequest, folder: Path, progress: Callable[[str], None], tf: Any
) -> WorkerReply:
    from opcheck.worker.build import build

    progress("building the model")
    built = build(request)
    steps = _trace(request, makers_of(built), folder / "log", progress)
    return WorkerReply(environment(tf, built.api), built.layers, steps, built.replaced, built.notes)


def makers_of(built: BuiltModel) -> Makers:
    """What makes each step of a Keras model."""
    from opcheck.worker.keras_steps import inference_step, training_step

    return {
        "inference": partial(inference_step, built),
        "training": partial(training_step, built),
    }


def _trace(
    request: WorkerRequest, makers: Makers, log: Path, progress: Callable[[str], None]
) -> tuple[TracedStep, ...]:
    """Every step that is asked for. One that cannot be traced leaves its result open.

    Raises:
        BuildError: it is the inference function: then nothing of the model can be known.
        UsageError: the inputs that were given are not the model's.
    """
    from opcheck.worker.inputs import given
    from opcheck.worker.messages import first_line
    from opcheck.worker.steps import trace

    inputs = given(request)
    logs = Path(request.log_folder) if request.log_folder is not None else None
    steps = []
    for step in request.steps:
        progress(f"tracing the {step} step")
        if step not in makers:
            note = f"There is no {step} step: it holds no variables that could be trained."
            steps.append(TracedStep(step, None, notes=(note,)))
            continue
        try:
            steps.append(trace(makers[step](), log, inputs, logs))
        except UsageError:
            raise
        except Exception as error:
            if step == "inference":
                raise BuildError(
                    f"{request.source.path}: the inference function could not be traced: "
                    f"{first_line(error)}."
                ) from error
            steps.append(TracedStep(step, None, error=first_line(error)))
    return tuple(steps)


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
