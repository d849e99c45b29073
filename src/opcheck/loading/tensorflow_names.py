"""Which TensorFlow ops touch files or run Python, and which functions only compute on tensors.

The lists are in tensorflow_names.json, decided by hand: an op or function that is on neither side
is not called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal

from opcheck.loading.keras_classes import keras_classes

# The values with which these attributes name no file.
_OWN = {
    "output_stream": re.compile(r"stdout|stderr|log\(\w+\)"),
    "descriptor_source": re.compile(r"(local://|bytes://.*)?", re.DOTALL),
}


@cache
def _names(group: str) -> frozenset[str]:
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    return frozenset(json.loads(text)[group])


def is_file_op(op: str) -> bool:
    """Whether an op, as in ``NodeDef.op``, touches files, uses the network, or runs other code."""
    return op in _names("file_ops")


def saver_kind(op: str) -> Literal["save", "restore"] | None:
    """What a file op does with the checkpoint of a SavedModel; None for the others."""
    if op in _names("save_ops"):
        return "save"
    return "restore" if op in _names("restore_ops") else None


def names_elsewhere(attribute: str, values: Iterable[str | None]) -> bool:
    """Whether an attribute of an op that else only computes names a file to read or write.

    So it does when its value is not known (None).
    Sources: ops/logging_ops.cc (PrintV2), ops/{de,en}code_proto_ops.cc.
    """
    own = _OWN.get(attribute)
    return own is not None and not all(
        value is not None and own.fullmatch(value) for value in values
    )


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
        case ["keras", "activations", name]:
            return keras_classes().is_named("activations", name)
        case ["keras", "backend", name]:
            return name in _names("backend_functions")
        case ["debugging", name]:
            return name.startswith(("assert_", "check_"))
        case [space, *_, name]:
            known = space in _names("tensor_namespaces")
            return known and name not in _names("namespace_exceptions")
    return False
