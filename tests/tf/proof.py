"""Every fixture on emulated devices: is each op of both steps where opcheck predicts it?

    python -m tests.tf.proof metal@1.2.0 metal@1.2.0,macos=12 --record

``--record`` writes what was found to proof.json, in place of what was there of that TensorFlow and
target. ``--traces FOLDER`` keeps what TensorFlow answered, and asks for no more than is missing
there: the prediction can be held against it again. ``nox -s proof`` runs all targets.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from opcheck.errors import OpcheckError
from opcheck.graph import ModelGraph, flatten
from opcheck.loading import read
from opcheck.placement import predict, reconcile, without_counters
from opcheck.placement.placer import place
from opcheck.targets import Target, resolve
from opcheck.worker.protocol import TracedStep, WorkerReply, WorkerRequest

from . import batches
from .partition_sends import CUSTOM, FIXTURES
from .records import RecordFile

BATCH_SIZE = 2
SHARING = 50  # fixtures to a process: they are small
_PLACE = re.compile(r"\S*/fixtures/")  # of this machine


class StepProof(msgspec.Struct, frozen=True, omit_defaults=True):
    """``agreed`` of the ``ops`` were placed by TensorFlow where they were predicted.

    The others are ``left``, by predicted verdict and reason: nothing was to be compared. ``unlike``
    is what differs. ``added`` are the nodes that only TensorFlow's graph has, by cause; ``built``
    of them `opcheck.graph.lowering` made as well, all in the place where TensorFlow put them.
    ``stopped`` is the error that ended the step, ``absent`` why there is none.
    """

    ops: int = 0
    agreed: int = 0
    on_accelerator: int = 0
    left: dict[str, int] = {}
    unlike: tuple[str, ...] = ()
    added: dict[str, int] = {}
    built: int = 0
    stopped: str | None = None
    absent: str | None = None


class FixtureProof(msgspec.Struct, frozen=True, omit_defaults=True):
    """``refused``: no model could be made of it here, and why."""

    steps: dict[str, StepProof] = {}
    refused: str | None = None


RECORD = RecordFile(Path(__file__).with_name("proof.json"), FixtureProof)


def fixtures() -> list[str]:
    """Every file and folder with a model in it, those with classes of their own last."""
    names = [
        path.name
        for path in FIXTURES.iterdir()
        if path.suffix in (".h5", ".keras", ".pb") or path.name.endswith("-savedmodel")
    ]
    return sorted(names, key=lambda name: (name.startswith(CUSTOM), name))


def run(names: Sequence[str], target: str, folder: Path) -> Iterator[tuple[str, FixtureProof]]:
    """Each fixture's result. ``folder`` has, or is to have, a folder of answers for each."""
    waiting = []
    for name in names:
        private = folder / name
        private.mkdir(exist_ok=True)
        if batches.answered(private):
            yield name, _result(batches.read(private), target)
            continue
        try:
            request = _request(name, target)
        except OpcheckError as error:
            yield name, _result(error.message, target)
            continue
        (private / "request.json").write_bytes(msgspec.json.encode(request))
        waiting.append(private)
    answers = batches.serve(waiting, sharing=SHARING)
    for private, answer in zip(waiting, answers, strict=True):
        yield private.name, _result(answer, target)


def _request(name: str, target: str) -> WorkerRequest:
    own = name.startswith(CUSTOM)
    return WorkerRequest(
        read(str(FIXTURES / name)),
        ("inference", "training"),
        batch_size=BATCH_SIZE,
        emulate=target,
        trust=True,
        custom_objects=("custom_layers",) if own else (),
        search_path=(str(FIXTURES),) if own else (),
    )


def _result(answer: WorkerReply | str, target: str) -> FixtureProof:
    if isinstance(answer, str):
        return FixtureProof(refused=_PLACE.sub("", answer))
    return FixtureProof({step.step: _step(step, answer, target) for step in answer.steps})


def _step(step: TracedStep, reply: WorkerReply, target_name: str) -> StepProof:
    if step.graph is None:
        return StepProof(absent=step.error or " ".join(step.notes))
    # The placer that runs here is that of the TensorFlow installed.
    target = msgspec.structs.replace(resolve(target_name), tensorflow=reply.environment.tensorflow)
    graph = flatten(step.graph, name=step.step, layers=reply.layers, device_type=target.device_type)
    opaque = {what.layer: what.message for what in reply.replaced if what.layer is not None}
    predicted = predict(graph, target, opaque=opaque)
    compared = reconcile(
        graph,
        predicted,
        step.placements,
        device_type=target.device_type,
        evidence="emulated",
        executed=step.executed,
    )
    unlike = batches.unlike(compared, step)
    built, moved = _added(graph, target, step)
    unlike += moved if step.error is None else []
    left = [p for p in compared.placements if p.evidence == "predicted"]
    verdicts = Counter(placement.verdict for placement in compared.placements)
    return StepProof(
        ops=len(graph.ops),
        agreed=len(graph.ops) - len(left) - len(compared.disagreements),
        on_accelerator=verdicts["accelerator"] + verdicts["host-pinned"],
        left=dict(Counter(f"{p.verdict}: {p.reason.code}" for p in left)),
        unlike=tuple(unlike),
        added=dict(compared.added),
        built=built,
        stopped=step.error,
    )


def _added(graph: ModelGraph, target: Target, step: TracedStep) -> tuple[int, list[str]]:
    """How many nodes were added to the graph as TensorFlow does, and which are placed otherwise.

    Many share a name without its counter, so those of a name are compared together.
    """
    placed = place(graph, target)
    ours = Counter(
        (node.placed_as, node.op_type, str(placed[node.id].device))
        for node in graph.added
        if node.op_type != "NoOp"
    )
    names = {(name, op) for name, op, _ in ours}
    theirs = Counter(
        (name, entry.op, entry.device.partition(":")[0])
        for entry in step.placements
        if ((name := without_counters(entry.name)), entry.op) in names
    )
    moved = [f"{name} ({op}) is on {where}" for name, op, where in theirs - ours]
    return ours.total(), moved + [f"{name} ({op}) is not on {at}" for name, op, at in ours - theirs]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--fixtures", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--record", action="store_true", help=f"write to {RECORD.path.name}")
    parser.add_argument("--traces", type=Path, metavar="FOLDER", help="keep the answers there")
    arguments = parser.parse_args()
    tensorflow, keras = version("tensorflow-cpu"), version("keras")
    wrong = 0
    for target in arguments.targets:
        found: dict[str, FixtureProof] = {}
        with tempfile.TemporaryDirectory(prefix="opcheck-") as temporary:
            folder = (arguments.traces or Path(temporary)) / f"{target}-{tensorflow}"
            folder.mkdir(parents=True, exist_ok=True)
            for name, result in run(arguments.fixtures or fixtures(), target, folder):
                found[name] = result
                unlike = [line for step in result.steps.values() for line in step.unlike]
                wrong += len(unlike)
                counts = ", ".join(
                    f"{step} {s.absent or s.stopped or f'{s.agreed} of {s.ops}'}"
                    for step, s in result.steps.items()
                )
                print(
                    f"{target} {name}: {result.refused or counts}", *unlike, sep="\n  ", flush=True
                )
        if arguments.record:
            known = RECORD.known(tensorflow, target) if arguments.fixtures else {}
            RECORD.write(tensorflow, keras, target, {**known, **found})
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
