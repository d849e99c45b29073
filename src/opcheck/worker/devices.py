"""On which device each target's step runs here: its own, an emulated one, or only the CPU."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from packaging.version import Version

from opcheck import targets as known
from opcheck.config import EvidenceChoice
from opcheck.emulator.compiler import find_compiler
from opcheck.emulator.registry_file import line
from opcheck.errors import (
    BuildError,
    EmulatorError,
    OpcheckError,
    UnknownTargetError,
    WorkerError,
    WorkerTimeoutError,
)
from opcheck.installed import accelerator
from opcheck.targets import Target
from opcheck.worker.client import run, run_all
from opcheck.worker.protocol import WorkerReply, WorkerRequest


class Traces(msgspec.Struct, frozen=True):
    """``replies`` by target, as named. ``notes`` say which targets have no device here, and why."""

    replies: dict[str, WorkerReply]
    notes: tuple[str, ...] = ()


def trace(
    request: WorkerRequest,
    targets: Mapping[str, Target],
    evidence: EvidenceChoice,
    *,
    timeout: float,
    progress: Callable[[str], None],
) -> Traces:
    """Trace on every target's device: a process for each that is emulated, one for the others.

    With ``auto``, where a device cannot be emulated, the step is traced on the CPU instead and a
    note says so. Raises what `run_all` gives, for the other choices EmulatorError too.
    """
    devices = {name: _device(name, target, evidence) for name, target in targets.items()}
    wanted = tuple(dict.fromkeys(devices.values()))
    compiler = _no_compiler() if any(wanted) else None
    answers: dict[str | None, WorkerReply | OpcheckError] = {}
    for name in wanted:
        if name is None:
            continue
        impossible = _too_old(targets[name]) or _beside_a_real_one() or compiler
        if impossible is not None:
            answers[name] = impossible
    todo = [name for name in wanted if name not in answers]
    requests = [_request(request, name, devices, targets) for name in todo]
    answers |= zip(todo, run_all(requests, timeout=timeout, progress=progress), strict=True)

    replies = {name: answer for name, answer in answers.items() if isinstance(answer, WorkerReply)}
    failed = {name: error for name, error in answers.items() if isinstance(error, OpcheckError)}
    for name, error in failed.items():
        if name is None or evidence != "auto" or not _may_be_ours(error):
            raise error
    stopped = [name for name, reply in replies.items() if name is not None and _unexplained(reply)]
    if (failed or stopped) and None not in replies:
        replies[None] = run(request, timeout=timeout, progress=progress)
    for name in stopped:
        replies[name] = _held_against(replies[None], replies[name])
    found = {
        name: _elsewhere(replies[None]) if device in failed else replies[device]
        for name, device in devices.items()
    }
    own = {name: targets[name] for name, device in devices.items() if device is None}
    notes = _no_device(found, own) if evidence != "predicted" else ()
    return Traces(found, _notes(failed, targets) + notes)


def _request(
    request: WorkerRequest,
    emulate: str | None,
    devices: Mapping[str, str | None],
    targets: Mapping[str, Target],
) -> WorkerRequest:
    """For one device; its log gets a folder with the target's name."""
    logs = request.log_folder
    if logs is not None:
        name = next(name for name, device in devices.items() if device == emulate)
        labels = [target.label for target in targets.values()]
        label = targets[name].label
        logs = str(Path(logs) / _file_name(label if labels.count(label) == 1 else name))
    return msgspec.structs.replace(request, emulate=emulate, log_folder=logs)


def _file_name(target: str) -> str:
    """The name of a target, which may be that of a file or stand in one, as that of a folder."""
    return re.sub(r"[^A-Za-z0-9@.,=_-]+", "_", target).lstrip(".") or "target"


def _device(name: str, target: Target, evidence: EvidenceChoice) -> str | None:
    """The target to emulate; ``None``: the step runs on what there is."""
    return None if evidence == "predicted" or _is_here(target) else name


def _is_here(target: Target) -> bool:
    """Whether this machine's own accelerator is the target: its version, and its kernels, which
    may depend on the system."""
    own = accelerator()
    if own is None:
        return False
    named = own.partition(",")[0]
    plugin, _, version = named.partition("@")
    if plugin != target.plugin or not _same(Version(version), target.release):
        return False
    try:
        return _plugin_kernels(known.resolve(own)) == _plugin_kernels(target)
    except UnknownTargetError:
        return True  # a version that opcheck does not know: the target was captured or extracted


def _same(installed: Version, version: Version) -> bool:
    """DirectML's 0.4.0 is installed as 0.4.0.dev230202."""
    return installed.base_version == version.base_version


def _plugin_kernels(target: Target) -> set[str]:
    kernels = (k for op in target.registry.ops() for k in target.registry.kernels(op))
    return {line(kernel) for kernel in kernels if kernel.origin == "plugin"}


def _beside_a_real_one() -> EmulatorError | None:
    own = accelerator()
    if own is None:
        return None
    return EmulatorError(
        f"{own} is installed here, and beside an installed plugin nothing can be emulated.",
        hint=f"Check {own}, or run opcheck where no plugin is installed.",
    )


def _no_device(
    replies: Mapping[str, WorkerReply], targets: Mapping[str, Target]
) -> tuple[str, ...]:
    """A plugin can be installed where it finds no device to run on."""
    return tuple(
        f"{target.label} is installed here, but TensorFlow lists no {target.device_type} of it: "
        "only predicted. Where no plugin is installed it can be emulated."
        for name, target in targets.items()
        if (target.device_type, target.platform) not in replies[name].environment.accelerators
    )


def _elsewhere(reply: WorkerReply) -> WorkerReply:
    """What ran without the target's device; an accelerator that is here is another one."""
    here = msgspec.structs.replace(reply.environment, accelerators=())
    return msgspec.structs.replace(reply, environment=here)


def _may_be_ours(error: OpcheckError) -> bool:
    """Whether the emulated device may be to blame. Without it, the same error is the model's."""
    return isinstance(error, (BuildError, EmulatorError, WorkerError)) and not isinstance(
        error, WorkerTimeoutError
    )


def _no_compiler() -> EmulatorError | None:
    """Told before TensorFlow is started for nothing."""
    try:
        find_compiler()
    except EmulatorError as error:
        return error
    return None


def _too_old(target: Target) -> EmulatorError | None:
    if Version(target.tensorflow).major > 1:
        return None
    return EmulatorError(
        f"{target.label} is a TensorFlow {target.tensorflow} of its own, and only devices of "
        "TensorFlow 2 can be emulated.",
        hint="Use --evidence predicted.",
    )


def _unexplained(reply: WorkerReply) -> bool:
    """Whether a step stopped for another reason than what TensorFlow finds missing on the device.

    It may be the inputs that opcheck made up: then the step stops on the CPU as well.
    """
    return any(step.error is not None and not step.refused for step in reply.steps)


def _held_against(on_cpu: WorkerReply, reply: WorkerReply) -> WorkerReply:
    failing = {step.step for step in on_cpu.steps if step.error is not None}
    steps = tuple(
        msgspec.structs.replace(step, fails_on_cpu=step.error is not None and step.step in failing)
        for step in reply.steps
    )
    return msgspec.structs.replace(reply, steps=steps)


def _notes(
    failed: Mapping[str | None, OpcheckError], targets: Mapping[str, Target]
) -> tuple[str, ...]:
    """A line for each cause, with the targets it concerns."""
    labels: dict[str, list[str]] = {}
    for name, error in failed.items():
        if name is not None:
            labels.setdefault(str(error), []).append(targets[name].label)
    return tuple(
        f"Only predicted, not traced on an emulated {' or '.join(dict.fromkeys(names))}: {error}"
        for error, names in labels.items()
    )
