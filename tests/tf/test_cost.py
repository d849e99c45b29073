"""What is counted against what TensorFlow itself counts and copies, op by op and copy by copy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opcheck.confine import environment
from opcheck.cost import assess
from opcheck.graph import ModelGraph, flatten
from opcheck.placement import predict
from opcheck.targets import resolve
from opcheck.worker.protocol import WorkerReply

from .conftest import BATCH_SIZE, FIXTURES, UNBUILDABLE, Ask, model_files
from .copies import DIFFERENT, RECORD, compared
from .test_emulator import FAILS, TARGET
from .test_emulator import FILES as EMULATED

FILES = [
    name
    for name in model_files()
    if name not in UNBUILDABLE
    and name.endswith((".keras", ".h5"))
    and not name.startswith(("custom", "subclassed", "lambda"))  # need code of their own
]
# The others are in the record that `nox -s copies` makes.
COPIED = [
    name
    for name in EMULATED
    if name not in FAILS and not name.startswith(("mobilenet_v2", "mixed_precision"))
]
# TensorFlow takes the convolution's input for its output, divided by the strides (which is too much
# where nothing is padded), and looks for transpose_a where BatchMatMul has adj_x.
INEXACT = {"Conv2DBackpropInput", "Conv2DBackpropFilter"}

# With an open batch, what runs over time is traced otherwise than with a fixed one.
OPEN = ("text_classifier", "timedistributed")

Flops = dict[str, dict[str, dict[str, tuple[str, list[list[int]], int]]]]


def run(script: str, out: Path, *arguments: str) -> object:
    command = [sys.executable, str(Path(__file__).with_name(script)), str(out), *arguments]
    done = subprocess.run(
        command, env=environment(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(out.read_text()) if out.is_file() else None


def graphs(reply: WorkerReply) -> dict[str, ModelGraph]:
    device = resolve(TARGET).device_type
    return {
        step.step: flatten(step.graph, name=step.step, device_type=device)
        for step in reply.steps
        if step.graph is not None
    }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Flops:
    paths = [str(FIXTURES / name) for name in FILES]
    out = tmp_path_factory.mktemp("flops") / "flops.json"
    return run("profiler_flops.py", out, str(BATCH_SIZE), *paths)  # type: ignore[return-value]


@pytest.mark.parametrize("name", FILES)
def test_flops_are_the_profilers(name: str, theirs: Flops, answers: Ask) -> None:
    """Ours are of a graph traced with an open batch; theirs of one traced with a fixed batch."""
    compared = 0
    for step, graph in graphs(answers(name)).items():
        costs = assess(graph, predict(graph, resolve(TARGET)), batch=BATCH_SIZE)
        for op, cost in zip(graph.ops, costs.ops, strict=True):
            op_type, shapes, flops = theirs[name][step].get(op.id, ("", [], 0))
            ours = [list(tensor.shape or ()) for tensor in (*op.inputs, *op.outputs)]
            if op_type != op.op_type or ours != shapes or dict(op.attrs).get("adj_x") is True:
                continue  # with a fixed batch Keras traces some ops otherwise
            compared += 1
            if op_type in INEXACT:
                assert cost.flops is not None
                assert 0.5 * flops <= cost.flops <= flops, op.id
            else:
                assert cost.flops == flops, op.id
    known = sum(map(len, theirs[name].values()))
    assert compared >= (0.6 if name.startswith(OPEN) else 0.9) * known - 5


@pytest.fixture(scope="module")
def partitioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sends")
    run("partition_sends.py", folder, TARGET, str(BATCH_SIZE), *COPIED)
    return folder


@pytest.mark.parametrize("name", COPIED)
def test_copies_are_the_partitioners(name: str, partitioned: Path) -> None:
    """Copy by copy, loops and branches included, and each node where TensorFlow puts it."""
    found = compared(name, partitioned, TARGET)
    assert found.refused is None
    assert set(found.steps) == {"inference", "training"}
    for step in found.steps.values():
        assert step.unlike == ()
        assert step.nodes > 10
    assert found.steps["training"].copies > 0


def test_every_recorded_fixture_has_the_partitioners_copies() -> None:
    for record in RECORD.read():
        steps = [
            (name, step) for name, found in record.results.items() for step in found.steps.values()
        ]
        assert {name for name, step in steps if step.unlike} == set(DIFFERENT)
        assert len(steps) > 40
        assert sum(step.copies for _, step in steps) > 1_000
    assert {record.target for record in RECORD.read()} == {"directml@0.4.0", "metal@1.2.0"}


# Multiply-adds of one 224 x 224 image. MobileNetV2: Sandler et al. 2018, table 4. ResNet-50: 3.8e9,
# He et al. 2015, table 1. VGG-16: 15.5e9, Canziani et al. 2016.
PUBLISHED = {"MobileNetV2": 300e6, "ResNet50": 3.8e9, "VGG16": 15.5e9}
COUNT = """
import sys
import tensorflow as tf
from opcheck.cost import op_cost
from opcheck.graph import flatten
from opcheck.worker.raw_graph import raw_graph

model = getattr(tf.keras.applications, sys.argv[1])(weights=None)
concrete = tf.function(lambda x: model(x, training=False)).get_concrete_function(
    tf.TensorSpec([None, 224, 224, 3])
)
ops = flatten(raw_graph(concrete, 1), name="inference").ops
products = {"Conv2D", "DepthwiseConv2dNative", "MatMul"}
print(sum(op_cost(op).flops for op in ops if op.op_type in products) // 2)
"""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_counts(name: str) -> None:
    command = [sys.executable, "-c", COUNT, name]
    done = subprocess.run(
        command, env=environment(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) == pytest.approx(PUBLISHED[name], rel=0.02)
