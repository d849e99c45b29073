"""Switches TensorFlow's graph optimizer off.

Grappler rewrites a graph that is placed already, and takes longer than the step: the placer's log
does not depend on it. Except that it swaps functions by device, Keras 2's LSTM and GRU, whose
bodies are placed when they are called. Even for that alone it copies the graph and estimates what
its ops cost, so it runs only where there is something to swap.
"""

from __future__ import annotations

import tensorflow as tf

from opcheck.graph import depends_on_device
from opcheck.graph.raw import RawGraph

# context.py: False switches one off, True is for "disable_" names.
_PARTS = {
    **dict.fromkeys(
        (
            "arithmetic_optimization",
            "auto_mixed_precision",
            "constant_folding",
            "debug_stripper",
            "dependency_optimization",
            "function_optimization",
            "layout_optimizer",
            "loop_optimization",
            "pin_to_host_optimization",
            "remapping",
            "scoped_allocator_optimization",
            "shape_optimization",
            "use_plugin_optimizers",
        ),
        False,
    ),
    "disable_model_pruning": True,
    "implementation_selector": True,
}


def switch_off(graph: RawGraph | None = None) -> None:
    """From now on this process runs graphs as they are, ``graph`` with its functions swapped."""
    swaps = graph is not None and depends_on_device(graph)
    tf.config.optimizer.set_experimental_options({**_PARTS, "disable_meta_optimizer": not swaps})
