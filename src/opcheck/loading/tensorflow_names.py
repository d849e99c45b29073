"""Which TensorFlow ops touch files or run Python, and which functions only compute on tensors.

The lists are in tensorflow_names.json, decided by hand: an op or function that is on neither side
is not called.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path


@cache
def _names(group: str) -> frozenset[str]:
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    return frozenset(json.loads(text)[group])


def is_file_op(op: str) -> bool:
    """Whether an op, as in ``NodeDef.op``, reads or writes files, runs Python or loads code."""
    return op in _names("file_ops")


def is_saver_op(op: str) -> bool:
    """Whether a file op is one that saves and restores the checkpoint of a SavedModel."""
    return op in _names("saver_ops")


def is_file_function(function: str) -> bool:
    """Whether a function of the ``tf`` namespace does so."""
    parts = function.split(".")
    return "io" in parts or parts[-1] in ("py_function", "numpy_function", "py_func")


def is_tensor_function(function: str) -> bool:
    """Whether a function of the ``tf`` namespace, as in ``tf.math.abs``, only computes."""
    parts = function.split(".")
    if parts[:2] in (["compat", "v1"], ["compat", "v2"]):
        parts = parts[2:]
    match parts:
        case [name]:
            return name in _names("tensor_functions")
        case ["keras", "activations" | "backend", _]:
            return True
        case ["debugging", name]:
            return name.startswith(("assert_", "check_"))
        case [space, *_, name]:
            known = space in _names("tensor_namespaces")
            return known and name not in _names("namespace_exceptions")
    return False
