"""Any JSON whatever as a config: an error of opcheck's own, or a config without hazards."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opcheck.errors import CannotCheckError
from opcheck.loading import safe_config
from opcheck.loading.stored import model_from_config

KEYS = st.sampled_from(
    [
        *("class_name", "config", "module", "registered_name", "name", "layers", "layer", "cell"),
        *("activation", "function", "vocabulary", "inbound_nodes", "build_config", "output_shape"),
    ]
)
WORDS = st.sampled_from(
    [
        *("Sequential", "Functional", "Dense", "Lambda", "Bidirectional", "RNN", "function", "os"),
        *("__lambda__", "__keras_tensor__", "__tuple__", "StringLookup", "TFOpLambda", "builtins"),
        *("TensorFlowOpLayer", "TFSMLayer", "TorchModuleWrapper", "eval", "keras.utils"),
        "keras.layers",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5)
        | st.fixed_dictionaries({"class_name": WORDS, "config": inner})
    ),
    max_leaves=30,
)
CONFIGS = st.fixed_dictionaries({"class_name": WORDS, "config": TREES}) | TREES
FORBIDDEN = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper"}
CALM = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@CALM
@given(CONFIGS)
def test_reading(tree: Any) -> None:
    if not isinstance(tree, dict):
        return
    try:
        stored = model_from_config(
            tree, training=tree, keras_version=None, backend=None, path="m.h5"
        )
    except CannotCheckError:
        return
    assert all(layer.path for layer in stored.layers)


@CALM
@given(CONFIGS)
def test_what_is_left_is_safe(tree: Any) -> None:
    """Rewritten once, nothing that runs code is named, and rewriting again finds nothing."""
    try:
        safe = safe_config(json.dumps(tree))
    except CannotCheckError:
        return
    assert not FORBIDDEN & set(_classes(json.loads(safe.architecture)))
    again = safe_config(safe.architecture, allow=frozenset({"OpaqueLayer"}))
    assert again.hazards == ()


def _classes(tree: Any) -> list[str]:
    if isinstance(tree, list):
        return [name for item in tree for name in _classes(item)]
    if not isinstance(tree, dict):
        return []
    own = tree.get("class_name")
    below = [name for item in tree.values() for name in _classes(item)]
    return [own, *below] if isinstance(own, str) and "config" in tree else below
