"""The graph that is analysed is the graph that runs: every op against TensorFlow's own placer."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from opcheck.errors import OpcheckError
from opcheck.graph import ModelGraph, flatten
from opcheck.placement import reconcile
from opcheck.worker.protocol import TracedStep, WorkerReply

from .conftest import FIXTURES, UNBUILDABLE, Ask, model_files

FILES = [name for name in model_files() if name not in UNBUILDABLE]
EXPECTED = json.loads((FIXTURES / "expected_layers.json").read_text())
# Layers that hold weights, so that the optimizer must be seen to serve them.
TRAINABLE = {"Dense", "Conv2D", "Conv3D", "Embedding", "BatchNormalization", "LSTM", "GRU"}


def as_run(step: TracedStep, reply: WorkerReply) -> ModelGraph:
    """The graph that ran on this machine, which has only a CPU."""
    graph = step.executed_graph or step.graph
    assert graph is not None
    return flatten(graph, name=step.step, layers=reply.layers, device_type="CPU")


def steps(reply: WorkerReply) -> list[TracedStep]:
    return [step for step in reply.steps if step.graph is not None]


@pytest.mark.parametrize("name", FILES)
def test_every_op_is_the_placers(name: str, answers: Ask) -> None:
    reply = answers(name)
    for step in reply.steps:
        assert step.error is None
        if step.graph is None:  # a frozen graph cannot be trained, and says so
            assert (step.step, name.rpartition(".")[2]) == ("training", "pb")
            assert step.notes
            continue
        assert step.executed
        graph = as_run(step, reply)
        result = reconcile(graph, (), step.placements)
        assert result.only_in_graph == ()
        assert result.only_in_trace == ()
        assert result.matched == len(graph.ops) > 0


@pytest.mark.parametrize("name", FILES)
def test_nothing_was_left_unwalked(name: str, answers: Ask) -> None:
    for step in steps(answers(name)):
        assert as_run(step, answers(name)).notes == ()


@pytest.mark.parametrize("name", FILES)
def test_edges_join_ops_that_exist(name: str, answers: Ask) -> None:
    for step in steps(answers(name)):
        graph = as_run(step, answers(name))
        fed = defaultdict(set)
        for edge in graph.edges:
            if edge.dst_input >= 0:
                fed[edge.dst].add(edge.dst_input)
            assert edge.dst in graph.by_id
            if edge.src in graph.by_id:
                if edge.src_output >= 0:
                    source = graph.by_id[edge.src].outputs[edge.src_output]
                    target = graph.by_id[edge.dst].inputs[edge.dst_input]
                    assert source.dtype.removesuffix("_ref") == target.dtype.removesuffix("_ref")
            else:
                assert edge.src.startswith("_Arg:")
        for op in graph.ops:
            assert fed[op.id] == set(range(len(op.inputs))), op.id


@pytest.mark.parametrize("name", [n for n in FILES if EXPECTED[n]["layers"]])
def test_the_live_layers_are_those_keras_saw(name: str, answers: Ask) -> None:
    """Against the list that Keras itself wrote down when the file was saved."""
    reply = answers(name)
    if reply.environment.keras == "":
        pytest.skip("read as a graph: Keras did not rebuild it here")
    replaced = {hazard.layer for hazard in reply.replaced}
    live = {layer.path for layer in reply.layers}
    saved = {
        path
        for path, class_name, _ in EXPECTED[name]["layers"]
        if class_name != "InputLayer" and not any(path.startswith(f"{r}/") for r in replaced)
    }
    assert saved <= live


@pytest.mark.parametrize("name", [n for n in FILES if not n.endswith((".pb", "-savedmodel"))])
def test_the_optimizer_serves_every_layer_with_weights(name: str, answers: Ask) -> None:
    reply = answers(name)
    (training,) = (step for step in reply.steps if step.step == "training")
    graph = as_run(training, reply)
    replaced = {hazard.layer for hazard in reply.replaced}
    served = {op.layer_path for op in graph.ops if op.role == "optimizer"}
    trained = {
        layer.path
        for layer in reply.layers
        if layer.class_name in TRAINABLE and layer.path not in replaced
    }
    # Keras 3's TimeDistributed runs the code of its layer without calling it.
    assert {path for path in trained if not served & {path, path.rpartition("/")[0]}} == set()


@pytest.mark.parametrize("name", [n for n in FILES if not n.endswith((".pb", "-savedmodel"))])
def test_forward_ops_know_their_layer(name: str, answers: Ask) -> None:
    """Only the model's own hand-over of its inputs and outputs belongs to no layer."""
    reply = answers(name)
    for step in steps(reply):
        lost = [op for op in as_run(step, reply).ops if op.role == "forward" and not op.layer_path]
        assert {op.op_type for op in lost} <= {"Cast", "Identity", "NoOp", "ExpandDims", "Squeeze"}


@pytest.mark.parametrize("name", [n for n in model_files() if n in UNBUILDABLE])
def test_what_keras_cannot_rebuild_is_said(name: str, answers: Ask) -> None:
    with pytest.raises(OpcheckError, match=UNBUILDABLE[name]):
        answers(name)
