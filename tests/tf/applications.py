"""All of keras.applications on emulated devices: one inference and one training step each.

    python tests/tf/applications.py metal@1.2.0 metal@1.2.0,macos=12 --record

One process of TensorFlow serves several models of a target; after these, after a crash or when a
model takes too long another one goes on with the next. A step must complete, or stop as EXPLAINED
says, and every op must be where opcheck predicts it. ``--record`` writes what was found to
applications.json, also while it runs, and leaves out what it has already, where nothing was wrong;
``--again`` does not.
"""

from __future__ import annotations

import argparse
import datetime
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from opcheck.confine import environment
from opcheck.errors import OpcheckError
from opcheck.graph import flatten
from opcheck.loading import read
from opcheck.placement import predict, reconcile
from opcheck.targets import resolve
from opcheck.worker.answer import answer
from opcheck.worker.protocol import TracedStep, WorkerReply, WorkerRequest

HERE = Path(__file__).parent
RECORD = HERE / "applications.json"
EXPLAINED = HERE / "applications_explained.json"
BATCH_SIZE = 2
TIMEOUT = 3600.0  # seconds for a model, on a machine that does other things as well
MEMORY = 12 << 30  # bytes for the process
SHARING = 6  # models to a process: TensorFlow does not give back all that they take
_POLL = 0.2  # seconds


class Explanation(msgspec.Struct, frozen=True):
    """Models (the start of their names) that stop on these targets' real devices, and why."""

    models: tuple[str, ...]
    keras: int
    plugins: tuple[str, ...]
    error: str
    why: str


class StepResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """``compared`` of the ``ops`` were held against the placer: all, unless the step stopped.

    ``stopped`` is the error that ended it; ``unlike`` is what differs from the prediction.
    """

    ops: int
    compared: int
    on_accelerator: int
    stopped: str | None = None
    unlike: tuple[str, ...] = ()


class ModelResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """``failed`` says why there are no steps."""

    seconds: int
    steps: dict[str, StepResult] = {}
    failed: str | None = None


def explanations() -> tuple[Explanation, ...]:
    return msgspec.json.decode(EXPLAINED.read_bytes(), type=tuple[Explanation, ...])


def run(models: Sequence[str], target: str, folder: Path) -> Iterator[tuple[str, ModelResult]]:
    """Each model's result, as soon as it is there."""
    waiting = list(models)
    while waiting:
        started = time.monotonic()
        served = [_request(name, target, folder) for name in waiting[:SHARING]]
        process = _start(served, folder)
        try:
            while waiting and (process.poll() is None or _answered(folder / waiting[0])):
                seconds = time.monotonic() - started
                if _answered(folder / waiting[0]):
                    name = waiting.pop(0)
                    yield name, _result(folder / name, target, int(seconds))
                    shutil.rmtree(folder / name)
                    started = time.monotonic()
                elif seconds > TIMEOUT:
                    yield waiting.pop(0), ModelResult(int(seconds), failed="took too long")
                    break
                else:
                    time.sleep(_POLL)
            else:
                if waiting and folder / waiting[0] in served:
                    words = f"ended with status {process.returncode}"
                    yield waiting.pop(0), ModelResult(int(seconds), failed=words)
        finally:
            process.kill()
            process.wait()


def problems(name: str, target: str, result: ModelResult, keras: str) -> list[str]:
    """What is wrong with a result: nothing, where every step is explained and as predicted."""
    if result.failed is not None:
        return [result.failed]
    expected = next(
        (
            e.error
            for e in explanations()
            if name.startswith(e.models)
            and keras.startswith(f"{e.keras}.")
            and target.startswith(e.plugins)
        ),
        None,
    )
    found = []
    for step, said in result.steps.items():
        found += [f"{step}: {unlike}" for unlike in said.unlike]
        if expected is None and said.stopped is not None:
            found.append(f"{step} stopped: {said.stopped}")
        elif expected is not None and expected not in (said.stopped or ""):
            found.append(f"{step} should stop with '{expected}': {said.stopped or 'it completed'}")
    return found


def _request(name: str, target: str, folder: Path) -> Path:
    private = folder / name
    private.mkdir(exist_ok=True)
    request = WorkerRequest(
        read(f"application_models:{name}"),
        ("inference", "training"),
        batch_size=BATCH_SIZE,
        emulate=target,
    )
    (private / "request.json").write_bytes(msgspec.json.encode(request))
    return private


def _start(folders: list[Path], folder: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, str(HERE / "batch_worker.py"), *map(str, folders)],
            env=environment(os.environ, whole=True) | {"PYTHONPATH": path},
            stdout=output,
            stderr=output,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
        )


def _answered(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("reply.json", "failure.json", "crash"))


def _result(folder: Path, target: str, seconds: int) -> ModelResult:
    try:
        reply = answer(folder, 0, WorkerReply)
    except OpcheckError as error:
        crash = folder / "crash"
        said = crash.read_text().splitlines()[-1] if crash.exists() else error.message
        return ModelResult(seconds, failed=said)
    return ModelResult(seconds, {step.step: _step(step, reply, target) for step in reply.steps})


def _step(step: TracedStep, reply: WorkerReply, target_name: str) -> StepResult:
    if step.graph is None:
        return StepResult(0, 0, 0, step.error)
    # The placer that runs here is that of the TensorFlow installed.
    target = msgspec.structs.replace(resolve(target_name), tensorflow=reply.environment.tensorflow)
    graph = flatten(step.graph, name=step.step, layers=reply.layers, device_type=target.device_type)
    compared = reconcile(
        graph,
        predict(graph, target),
        step.placements,
        device_type=target.device_type,
        evidence="emulated",
    )
    unlike = [f"{d.op} predicted {d.predicted}, is {d.traced}" for d in compared.disagreements]
    if step.error is None:
        unlike += [f"{name} was not placed" for name in compared.only_in_graph]
    unlike += [f"{name} is not in the graph" for name in compared.only_in_trace]
    verdicts = Counter(placement.verdict for placement in compared.placements)
    on_accelerator = verdicts["accelerator"] + verdicts["host-pinned"]
    return StepResult(len(graph.ops), compared.matched, on_accelerator, step.error, tuple(unlike))


# ---- The command --------------------------------------------------------------------------------


class Record(msgspec.Struct):
    """What one TensorFlow and target gave. ``date`` is that of the last model."""

    tensorflow: str
    keras: str
    target: str
    date: str
    models: dict[str, ModelResult]


def recorded() -> list[Record]:
    return msgspec.json.decode(RECORD.read_bytes(), type=list[Record]) if RECORD.exists() else []


def write(record: Record) -> None:
    """Into the file that other versions' records are in."""
    record.date = datetime.date.today().isoformat()
    others = [r for r in recorded() if _key(r) != _key(record)]
    records = sorted([*others, record], key=_key)
    text = msgspec.json.format(msgspec.json.encode(records), indent=1)
    partial = RECORD.with_suffix(".partial")
    partial.write_bytes(text + b"\n")
    partial.replace(RECORD)


def _size(model: str) -> int:
    """The most ops that any record has of ``model``: small ones first, so that the record grows."""
    found = [record.models[model] for record in recorded() if model in record.models]
    return max((step.ops for result in found for step in result.steps.values()), default=10**9)


def _key(record: Record) -> tuple[str, str]:
    return record.tensorflow, record.target


def installed() -> tuple[str, str, list[str]]:
    """The versions of TensorFlow and Keras here, and the architectures of this Keras."""
    command = [sys.executable, "-c", _INSTALLED]
    said = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True, check=True).stdout
    tensorflow, keras, *names = said.split()
    return tensorflow, keras, names


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    parser.add_argument("--again", action="store_true", help="also what is recorded")
    arguments = parser.parse_args()
    tensorflow, keras, names = installed()
    wrong = 0
    for target in arguments.targets:
        fresh = Record(tensorflow, keras, target, "", {})
        record = next((r for r in recorded() if _key(r) == _key(fresh)), fresh)
        record.keras = keras
        known = {n for n, r in record.models.items() if not problems(n, target, r, keras)}
        again = arguments.again or not arguments.record
        models = sorted(arguments.models or names, key=_size)
        models = [name for name in models if again or name not in known]
        print(
            f"{target} on TensorFlow {tensorflow}, Keras {keras}: {len(models)} models", flush=True
        )
        with tempfile.TemporaryDirectory(prefix="opcheck-") as folder:
            for name, result in run(models, target, Path(folder)):
                found = problems(name, target, result, keras)
                wrong += bool(found)
                print(
                    f"  {name}: {'; '.join(found[:9]) or 'as expected'} ({result.seconds} s)",
                    flush=True,
                )
                if arguments.record:
                    record.models[name] = result
                    write(record)
    return 1 if wrong else 0


_INSTALLED = """
from importlib.metadata import version
import tensorflow as tf, application_models
print(tf.version.VERSION, version("keras"), *application_models.names())
"""

if __name__ == "__main__":
    sys.exit(main())
