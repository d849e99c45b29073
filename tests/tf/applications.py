"""All of keras.applications on emulated devices: one inference and one training step each.

    python -m tests.tf.applications metal@1.2.0 metal@1.2.0,macos=12 --record

A step must complete, or stop as EXPLAINED says, and every op must be where opcheck predicts it.
``--record`` writes what was found to applications.json, also while it runs, and leaves out what it
has already, where nothing was wrong; ``--again`` does not.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from opcheck.graph import flatten
from opcheck.loading import read
from opcheck.placement import predict, reconcile
from opcheck.targets import resolve
from opcheck.worker.protocol import TracedStep, WorkerReply, WorkerRequest

from . import batches
from .records import RecordFile

HERE = Path(__file__).parent
EXPLAINED = HERE / "applications_explained.json"
BATCH_SIZE = 2
SHARING = 6  # models to a process: some are large


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


RECORD = RecordFile(HERE / "applications.json", ModelResult)


def explanations() -> tuple[Explanation, ...]:
    return msgspec.json.decode(EXPLAINED.read_bytes(), type=tuple[Explanation, ...])


def run(models: Sequence[str], target: str, folder: Path) -> Iterator[tuple[str, ModelResult]]:
    """Each model's result, as soon as it is there."""
    folders = [_request(name, target, folder) for name in models]
    started = time.monotonic()
    answers = batches.serve(folders, sharing=SHARING)
    for private, answer in zip(folders, answers, strict=True):
        yield private.name, _result(answer, target, int(time.monotonic() - started))
        shutil.rmtree(private)
        started = time.monotonic()


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


def _result(answer: WorkerReply | str, target: str, seconds: int) -> ModelResult:
    if isinstance(answer, str):
        return ModelResult(seconds, failed=answer)
    return ModelResult(seconds, {step.step: _step(step, answer, target) for step in answer.steps})


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
    verdicts = Counter(placement.verdict for placement in compared.placements)
    unlike = tuple(batches.unlike(compared, step))
    on_accelerator = verdicts["accelerator"] + verdicts["host-pinned"]
    return StepResult(len(graph.ops), compared.matched, on_accelerator, step.error, unlike)


# ---- The command --------------------------------------------------------------------------------


def _size(model: str) -> int:
    """The most ops that any record has of ``model``: small ones first, so that the record grows."""
    found = [record.results[model] for record in RECORD.read() if model in record.results]
    return max((step.ops for result in found for step in result.steps.values()), default=10**9)


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
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.path.name}")
    parser.add_argument("--again", action="store_true", help="also what is recorded")
    arguments = parser.parse_args()
    tensorflow, keras, names = installed()
    wrong = 0
    for target in arguments.targets:
        results = RECORD.known(tensorflow, target)
        known = {n for n, r in results.items() if not problems(n, target, r, keras)}
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
                    results[name] = result
                    RECORD.write(tensorflow, keras, target, results)
    return 1 if wrong else 0


_INSTALLED = """
from importlib.metadata import version
import tensorflow as tf, application_models
print(tf.version.VERSION, version("keras"), *application_models.names())
"""

if __name__ == "__main__":
    sys.exit(main())
