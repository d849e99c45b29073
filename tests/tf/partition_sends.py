"""What TensorFlow's partitioner sends in the steps of fixtures, on an emulated device.

``python partition_sends.py OUT TARGET BATCH FILE...`` writes {file: {step: [[source node, output,
copied], ...]}} as JSON. ``copied`` says that it goes from host to device memory or the other way:
the sending end is in host memory on the CPU or where the op is _HostSend, the receiving one alike.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context

from opcheck import emulator, targets
from opcheck.loading import read
from opcheck.worker.build import build
from opcheck.worker.inputs import Inputs
from opcheck.worker.keras_steps import inference_step, training_step
from opcheck.worker.protocol import WorkerRequest
from opcheck.worker.steps import _arguments, _concrete

_COUNTER = re.compile(r"/_\d+(?=/|$)")


def sends(function: Any, batch: int) -> list[tuple[str, int, bool]]:
    concrete = _concrete(function)
    arguments = _arguments(function, Inputs(batch), [None] * len(concrete.inputs))
    context.enable_run_metadata()
    concrete(*arguments)
    metadata = context.export_run_metadata()
    context.disable_run_metadata()
    # Eager ops leave graphs of their own.
    graphs = max(
        (list(g.partition_graphs) for g in metadata.function_graphs),
        key=lambda found: sum(len(graph.node) for graph in found),
    )
    nodes = [node for graph in graphs for node in graph.node]
    received = {
        node.attr["tensor_name"].s: _on_host(node, "recv_device", "_HostRecv")
        for node in nodes
        if node.op in ("_Recv", "_HostRecv")
    }
    found = []
    for node in nodes:
        if node.op in ("_Send", "_HostSend"):
            name, _, output = node.input[0].partition(":")
            copied = _on_host(node, "send_device", "_HostSend")
            copied ^= received[node.attr["tensor_name"].s]
            found.append((_COUNTER.sub("", name), int(output or 0), copied))
    return found


def _on_host(node: Any, device: str, host_op: str) -> bool:
    return node.op == host_op or b"CPU" in node.attr[device].s


if __name__ == "__main__":
    out, target, batch_size, *files = sys.argv[1:]
    emulator.load(targets.resolve(target))
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    result: dict[str, dict[str, list[tuple[str, int, bool]]]] = {}
    for file in files:
        built = build(WorkerRequest(read(file), ("inference", "training")))
        result[Path(file).name] = {
            step.step: sends(step, int(batch_size))
            for step in (inference_step(built), training_step(built))
        }
        tf.keras.backend.clear_session()
    Path(out).write_text(json.dumps(result))
