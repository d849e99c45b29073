"""What TensorFlow places and its partitioner sends in the steps of fixtures, on an emulated device.

``python partition_sends.py FOLDER TARGET BATCH NAME...`` writes a `Partitioned` for each step of
each fixture into FOLDER as soon as it is there, or in its place, as ``NAME.error``, why there is
none.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from opcheck.graph.raw import RawGraph

FIXTURES = Path(__file__).parents[2] / "fixtures"
_COUNTER = re.compile(r"/_\d+(?=/|$|_switch(?:/|$))")
_COUNTED = re.compile(r"/_\d+$")
# Whose classes are in fixtures/custom_layers.py.
CUSTOM = ("custom", "lambda", "subclassed")


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """Output ``output`` of the node ``source``, from host to device memory or the other way."""

    source: str
    output: int


class Placed(msgspec.Struct, frozen=True, array_like=True):
    name: str
    op: str
    device: str


class Partitioned(msgspec.Struct, frozen=True):
    """One step: its graph before TensorFlow works on it, and what TensorFlow made of it."""

    tensorflow: str
    graph: RawGraph
    nodes: tuple[Placed, ...]
    sends: tuple[Sent, ...]


def partitioned(function: Any, batch: int) -> Partitioned:
    import tensorflow as tf
    from tensorflow.python.eager import context

    from opcheck.worker.accelerated import variables_there
    from opcheck.worker.embeddings import gathers, index_bounds
    from opcheck.worker.inputs import Inputs
    from opcheck.worker.raw_graph import raw_graph
    from opcheck.worker.steps import _arguments, _concrete, _fitted

    inputs = Inputs(batch)
    function = _fitted(function, inputs)
    with function.recording() as lookups:
        concrete = _concrete(function)
    lookups = gathers(concrete.graph) if lookups is None else lookups
    arguments = _arguments(function, inputs, index_bounds(concrete.inputs, lookups))
    context.enable_run_metadata()
    context.export_run_metadata()  # what a SavedModel ran when it was loaded
    concrete(*arguments)
    metadata = context.export_run_metadata()
    context.disable_run_metadata()
    # Eager ops leave graphs of their own; bodies that are placed on their own leave none.
    step = max(metadata.function_graphs, key=lambda f: sum(len(g.node) for g in f.partition_graphs))
    return Partitioned(
        tf.version.VERSION,
        raw_graph(concrete, batch, moved=variables_there()),
        tuple(
            Placed(_COUNTER.sub("", node.name), node.op, node.device.rpartition("device:")[2])
            for node in step.post_optimization_graph.node
        ),
        tuple(_sends(list(step.partition_graphs))),
    )


def _sends(graphs: list[Any]) -> Iterable[Sent]:
    """The sending end is in host memory on the CPU or where the op is _HostSend, the receiving one
    alike. What the partitioner sends for a control edge is an empty constant of its own."""
    nodes = {node.name: node for graph in graphs for node in graph.node}
    received = {
        node.attr["tensor_name"].s: _on_host(node, "recv_device", "_HostRecv")
        for node in nodes.values()
        if node.op in ("_Recv", "_HostRecv")
    }
    for node in nodes.values():
        if node.op not in ("_Send", "_HostSend"):
            continue
        name, _, output = node.input[0].partition(":")
        here = _on_host(node, "send_device", "_HostSend")
        if here != received[node.attr["tensor_name"].s] and not _is_control(nodes[name]):
            yield Sent(_COUNTER.sub("", name), int(output or 0))


def _on_host(node: Any, device: str, host_op: str) -> bool:
    return bool(node.op == host_op or b"CPU" in node.attr[device].s)


def _is_control(node: Any) -> bool:
    """AddDummyConst of graph_partition.cc."""
    shape = node.attr["value"].tensor.tensor_shape
    empty = node.op == "Const" and [dim.size for dim in shape.dim] == [0]
    return bool(empty and node.attr["dtype"].type == 1 and _COUNTED.search(node.name))


def main(out: Path, target: str, batch: int, names: Iterable[str]) -> None:
    import keras
    import tensorflow as tf

    from opcheck import emulator, targets
    from opcheck.errors import BuildError
    from opcheck.loading import read
    from opcheck.worker.build import build
    from opcheck.worker.keras_steps import inference_step, training_step
    from opcheck.worker.protocol import WorkerRequest
    from opcheck.worker.saved_graph import graph_steps

    emulator.load(targets.resolve(target))
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    sys.path.append(str(FIXTURES))

    def steps(name: str) -> dict[str, Any]:
        custom = ("custom_layers",) if name.startswith(CUSTOM) else ()
        source = read(str(FIXTURES / name))
        request = WorkerRequest(source, ("inference", "training"), True, custom, batch_size=batch)
        if request.source.architecture is None:
            return dict(graph_steps(request))
        try:
            built = build(request)
        except BuildError:
            if request.source.format != "savedmodel":
                raise
            return dict(graph_steps(request))
        return {"inference": inference_step(built), "training": training_step(built)}

    for name in names:
        try:
            found = {step: partitioned(made, batch) for step, made in steps(name).items()}
            part = out / f"{name}.part"
            part.write_bytes(msgspec.json.encode(found))
            part.replace(out / f"{name}.json")
        except Exception as error:
            (out / f"{name}.error").write_text(f"{type(error).__name__}: {error}")
        keras.backend.clear_session()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
