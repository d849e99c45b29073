"""Copies between the memories: those that opcheck counts against those of TensorFlow's partitioner.

    python -m tests.tf.copies metal@1.2.0 --record

Every fixture, both steps, copy by copy; and each node of TensorFlow's graph by name, type and
place, with all that lowering adds. ``--record`` writes what was found to copies.json, in place of
what was there of that target. ``nox -s copies`` does so for the targets of two TensorFlows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import msgspec

from opcheck.confine import environment
from opcheck.cost.crossings import Crossing, crossings
from opcheck.graph import ARGUMENT, ModelGraph, flatten
from opcheck.graph.lowering import argument_name
from opcheck.placement import predict_all
from opcheck.placement.placer import place
from opcheck.targets import resolve

from .partition_sends import Partitioned
from .proof import fixtures
from .records import RecordFile

HERE = Path(__file__).parent
BATCH_SIZE = 2
DIFFERENT: dict[str, str] = {}
"""Fixtures whose copies differ from TensorFlow's, and why."""

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_NO_OPS = ("NoOp", "_Arg", "_Retval", "_DeviceArg", "_DeviceRetval")


class StepCopies(msgspec.Struct, frozen=True, omit_defaults=True):
    """``copies`` of the partitioner between ``nodes`` of the placer; ``unlike`` is what differs
    from ours. What bodies that are placed on their own copy is not in it (``apart`` ops)."""

    nodes: int
    copies: int
    apart: int = 0
    unlike: tuple[str, ...] = ()


class FixtureCopies(msgspec.Struct, frozen=True, omit_defaults=True):
    """``refused``: it has no step that ran here, and why."""

    steps: dict[str, StepCopies] = {}
    refused: str | None = None


RECORD = RecordFile(HERE / "copies.json", FixtureCopies)


def compared(name: str, folder: Path, target: str) -> FixtureCopies:
    """The fixture ``name``, of which partition_sends.py wrote into ``folder``."""
    answer = folder / f"{name}.json"
    if not answer.exists():
        error = folder / f"{name}.error"
        said = error.read_text().splitlines()[0] if error.exists() else "TensorFlow's process died"
        return FixtureCopies(refused=said.replace(f"{HERE.parents[1]}{os.sep}", ""))
    found = msgspec.json.decode(answer.read_bytes(), type=dict[str, Partitioned])
    return FixtureCopies({step: _step(theirs, target) for step, theirs in found.items()})


def _step(theirs: Partitioned, target_name: str) -> StepCopies:
    target = msgspec.structs.replace(resolve(target_name), tensorflow=theirs.tensorflow)
    graph = _all_live(flatten(theirs.graph, name="step", device_type=target.device_type))
    graphs = graph.lowered.graphs[1:] if graph.lowered is not None else ()
    apart = {name for names in graphs for name in names}
    calls = {node.name for node in theirs.nodes if node.op in _CALLS} if apart else set()
    placed, predicted = place(graph, target), predict_all(graph, target)

    def called(node: str) -> str:
        if node.startswith(ARGUMENT):
            return argument_name(node.removeprefix(ARGUMENT))
        return graph.nodes[node].placed_as or node

    ours = Counter(
        (source, None if source in calls else copy.output)
        for copy in crossings(graph, predicted.ops, predicted.added)
        if (source := _outside(copy, apart, called(copy.source), calls)) is not None
    )
    real = Counter(
        (sent.source, None if sent.source in calls else sent.output) for sent in theirs.sends
    )
    our_nodes = Counter(
        (called(node.id), node.op_type, str(placed[node.id].device))
        for node in graph.nodes.values()
        if node.id not in apart and node.op_type not in _NO_OPS
    )
    nodes = Counter(
        (node.name, node.op, node.device.partition(":")[0])
        for node in theirs.nodes
        if node.op not in _NO_OPS and node.name not in calls
    )
    unlike = [f"{name}:{output} is copied" for name, output in real - ours]
    unlike += [f"{name}:{output} is not copied" for name, output in ours - real]
    unlike += [f"{name} ({op}) is on {where}" for name, op, where in nodes - our_nodes]
    unlike += [f"{name} ({op}) is not on {where}" for name, op, where in our_nodes - nodes]
    return StepCopies(nodes.total(), real.total(), len(apart), tuple(unlike))


def _outside(copy: Crossing, apart: set[str], name: str, calls: set[str]) -> str | None:
    """The source of a copy as TensorFlow has it, where a body that is placed on its own is one node
    with its tensors on the device; ``None`` where such a body makes the copy."""
    leaves = copy.source in apart
    enters = apart.issuperset(copy.readers)
    if leaves and enters:
        return None
    if leaves:
        call = max((c for c in calls if copy.source.startswith(f"{c}/")), key=len)
        return call if copy.to == "host" else None
    return None if enters and copy.to == "host" else name


def _all_live(graph: ModelGraph) -> ModelGraph:
    """Grappler, which prunes what nobody needs, is off while the partitioner is asked."""
    ops = tuple(msgspec.structs.replace(op, live=True) for op in graph.ops)
    lowered = graph.lowered
    if lowered is not None:
        added = tuple(msgspec.structs.replace(node, live=True) for node in lowered.added)
        lowered = msgspec.structs.replace(lowered, added=added)
    return replace(graph, ops=ops, lowered=lowered)


def ask(names: list[str], folder: Path, target: str) -> None:
    """Have partition_sends.py answer for ``names``; after a crash another process goes on."""
    while missing := [n for n in names if not any(folder.glob(f"{n}.*"))]:
        arguments = [str(folder), target, str(BATCH_SIZE), *missing]
        subprocess.run(
            [sys.executable, str(HERE / "partition_sends.py"), *arguments],
            env=environment(os.environ, whole=True),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if not any(folder.glob(f"{missing[0]}.*")):
            (folder / f"{missing[0]}.error").write_text("TensorFlow's process died")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target")
    parser.add_argument("--fixtures", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.path.name}")
    parser.add_argument("--traces", type=Path, metavar="FOLDER", help="keep the answers there")
    given = parser.parse_args()
    names = sorted(given.fixtures or fixtures())
    found: dict[str, FixtureCopies] = {}
    with tempfile.TemporaryDirectory(prefix="opcheck-") as temporary:
        folder = given.traces or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        ask(names, folder, given.target)
        for name in names:
            found[name] = compared(name, folder, given.target)
            counts = ", ".join(f"{step} {s.copies} copies" for step, s in found[name].steps.items())
            unlike = [line for step in found[name].steps.values() for line in step.unlike]
            print(f"{name}: {found[name].refused or counts}", *unlike[:9], sep="\n  ", flush=True)
    if given.record:
        tensorflow = version("tensorflow-cpu")
        known = RECORD.known(tensorflow, given.target) if given.fixtures else {}
        RECORD.write(tensorflow, version("keras"), given.target, {**known, **found})
    return 1 if any(step.unlike for f in found.values() for step in f.steps.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
