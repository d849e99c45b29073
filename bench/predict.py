"""How long prediction and cost take as the graph grows. No TensorFlow, but for the real graph.

    python bench/predict.py [--runs N] [--real]

The synthetic graphs are training steps of a chain of layers, each with an Elu that falls back, its
gradient and the update of its variable: 27 ops a layer. ``--real`` adds the training step of
MobileNetV2 (fixtures/), traced by the worker. Seconds are of CPU time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from tabulate import tabulate

from opcheck import cost, graph, loading, placement, targets, worker
from opcheck.graph import ARGUMENT, Edge, ModelGraph, OpNode, Role, TensorSpec
from opcheck.rules import severities
from opcheck.targets import Target
from opcheck.worker.protocol import WorkerRequest

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "mobilenet_v2-k3.15.keras"
SIZES = (1_000, 10_000, 20_000, 100_000)
CHANNELS = 16
SHAPE = (2, 32, 32, CHANNELS)
STAGES = ("place", "cost", "severity")
FORWARD = ("AddV2", "Mul", "Sub", "Rsqrt", "Mean", "Reshape", "Relu", "Elu", "Identity", "Square")
BACKWARD = ("EluGrad", "ReluGrad", "Mul", "AddV2", "Sum", "Reshape", "Neg", "RealDiv", "Minimum")
UPDATE = ("Square", "Mul", "Sqrt", "RealDiv", "AddV2", "Sub", "Maximum")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="of each graph (default: 3)")
    parser.add_argument("--real", action="store_true", help="MobileNetV2 as well; needs TensorFlow")
    given = parser.parse_args()
    target = targets.resolve("metal@1.2.0")
    graphs = [(f"synthetic, {size:,} ops", synthetic(size)) for size in SIZES]
    if given.real:
        graphs.append(("MobileNetV2, training", real()))
    rows = [row(name, model, target, given.runs) for name, model in graphs]
    headers = ("", "ops", *STAGES, "all", "all, per 1,000 ops")
    print(tabulate(rows, headers, disable_numparse=True))


def row(name: str, model: ModelGraph, target: Target, runs: int) -> list[str]:
    measured = [once(model, target) for _ in range(runs)]
    medians = [statistics.median(column) for column in zip(*measured, strict=True)]
    total = statistics.median(map(sum, measured))
    per_thousand = f"{1e6 * total / len(model.ops):.1f} ms"
    return [
        name,
        f"{len(model.ops):,}",
        *(f"{s:.3f} s" for s in medians),
        f"{total:.3f} s",
        per_thousand,
    ]


def once(model: ModelGraph, target: Target) -> list[float]:
    """Seconds of each stage; a fresh graph object, so that nothing is cached."""
    fresh = ModelGraph(
        model.name, model.layers, model.ops, model.edges, model.signatures, trips=model.trips
    )
    seconds: list[float] = []

    start = time.process_time()
    placements = placement.predict(fresh, target)
    seconds.append(time.process_time())
    costs = cost.assess(fresh, placements, batch=2)
    seconds.append(time.process_time())
    severities(fresh.ops, placements, costs)
    seconds.append(time.process_time())
    return [after - before for before, after in pairwise([start, *seconds])]


def synthetic(size: int) -> ModelGraph:
    """A chain of layers, forward and back, of about ``size`` ops."""
    ops: list[OpNode] = []
    edges: list[Edge] = []

    def add(name: str, op: str, role: Role, *sources: str, shape: tuple[int, ...] = SHAPE) -> str:
        inputs = tuple(TensorSpec(f"in{i}", "float32", shape) for i in range(len(sources)))
        outputs = (TensorSpec("out", "float32", shape),)
        layer = name.partition("/")[0]
        ops.append(OpNode(name, op, layer, role, inputs, outputs, (("T", "float32"),)))
        edges.extend(Edge(source, 0, name, at) for at, source in enumerate(sources))
        return name

    layers = max(size // (len(FORWARD) + len(BACKWARD) + len(UPDATE)), 1)
    last, made = f"{ARGUMENT}x", []
    for at in range(layers):
        for op in FORWARD:
            last = add(f"layer_{at}/{op}", op, "forward", last)
        made.append(last)
    for at in reversed(range(layers)):
        for op in BACKWARD:
            last = add(f"layer_{at}/grad/{op}", op, "backward", last, made[at])
        variable = f"{ARGUMENT}variable_{at}"
        for op in UPDATE:
            add(f"layer_{at}/adam/{op}", op, "optimizer", last, shape=(CHANNELS,))
        name = f"layer_{at}/adam/AssignSubVariableOp"
        handle = TensorSpec("resource", "resource", ())
        value = TensorSpec("value", "float32", (CHANNELS,))
        types = (("dtype", "float32"),)
        ops.append(
            OpNode(name, "AssignSubVariableOp", None, "optimizer", (handle, value), (), types)
        )
        edges += [Edge(variable, 0, name, 0), Edge(ops[-2].id, 0, name, 1)]
    return ModelGraph("training", (), tuple(ops), tuple(edges), MappingProxyType({}))


def real() -> ModelGraph:
    source = loading.read(str(FIXTURE))
    reply = worker.run(WorkerRequest(source, ("training",)), timeout=600.0)
    (step,) = reply.steps
    assert step.graph is not None
    return graph.flatten(step.graph, name="training", layers=reply.layers)


if __name__ == "__main__":
    main()
