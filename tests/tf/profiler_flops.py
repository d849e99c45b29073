"""TensorFlow's own count of floating point operations, op by op, of fixtures at a fixed batch size.

``python profiler_flops.py OUT BATCH FILE...`` writes {file: {step: {op name: [op type, shapes of
inputs and outputs, FLOPs]}}} as JSON: the statistics behind ``tf.compat.v1.profiler``'s
``float_operation``, of every op it counts.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops

from opcheck.loading import read
from opcheck.worker.build import build
from opcheck.worker.inputs import filled
from opcheck.worker.keras_steps import inference_step, training_step
from opcheck.worker.protocol import WorkerRequest

Counted = tuple[str, list[list[int]], int]


def counted(function: Any, batch: int) -> dict[str, Counted]:
    specs = tf.nest.map_structure(
        lambda spec: tf.TensorSpec(filled(spec.shape, batch), spec.dtype), function.specs
    )
    fixed = dataclasses.replace(function, specs=specs)
    graph = tf.function(fixed.make()).get_concrete_function(*fixed.specs).graph
    found = {}
    for op in graph.get_operations():
        try:
            stats = ops.get_stats_for_node_def(graph, op.node_def, "flops")
        except (ValueError, TypeError):  # it wants a shape that is not known, or NHWC
            continue
        if stats.value is not None:
            shapes = [tensor.shape.as_list() for tensor in (*op.inputs, *op.outputs)]
            found[op.name] = (op.type, shapes, int(stats.value))
    return found


if __name__ == "__main__":
    out, batch_size, *files = sys.argv[1:]
    result: dict[str, dict[str, dict[str, Counted]]] = {}
    for file in files:
        built = build(WorkerRequest(read(file), ("inference", "training")))
        result[Path(file).name] = {
            step.step: counted(step, int(batch_size))
            for step in (inference_step(built), training_step(built))
        }
        tf.keras.backend.clear_session()
    Path(out).write_text(json.dumps(result))
