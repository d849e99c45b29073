"""The layers' graph of a stored config: the same model, whichever Keras saved it, has one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from opcheck import loading
from opcheck.errors import UnreadableModelError
from opcheck.loading import ModelSource, topology
from opcheck.loading.topology import layer_edges

FIXTURES = Path(__file__).parents[3] / "fixtures"
MODELS = (
    "augmentation",
    "cnn3d",
    "functional_ops",
    "lambda_model",
    "mnist_cnn",
    "mobilenet_v2",
    "multi_input",
    "multi_output",
    "text_classifier",
    "timedistributed",
    "transformer_block",
)


def test_nested_models_are_followed_into() -> None:
    edges = layer_edges(loading.read(str(FIXTURES / "transformer_block-k3.15.keras")))
    assert edges == (
        ("tokens", "embedding"),
        ("embedding", "attention"),
        ("attention", "dropout_1"),
        ("embedding", "add"),
        ("dropout_1", "add"),
        ("add", "layer_normalization"),
        ("feed_forward/input_layer", "feed_forward/dense"),
        ("feed_forward/dense", "feed_forward/dense_1"),
        ("layer_normalization", "feed_forward/input_layer"),
        ("layer_normalization", "add_1"),
        ("feed_forward/dense_1", "add_1"),
        ("add_1", "layer_normalization_1"),
        ("layer_normalization_1", "global_average_pooling1d"),
        ("global_average_pooling1d", "dense_2"),
    )


@pytest.mark.filterwarnings("ignore:The hashes produced")  # with other versions of networkx
@pytest.mark.parametrize("model", MODELS)
def test_every_keras_says_the_same(model: str) -> None:
    found = {path.name: shape(path) for path in files(model)}
    assert len(found) > 2
    assert len(set(found.values())) == 1, found


def files(model: str) -> list[Path]:
    found = [*FIXTURES.glob(f"{model}-k*.h5"), *FIXTURES.glob(f"{model}-k*.keras")]
    return sorted(found)


def shape(path: Path) -> str:
    """The graph without names: they differ, and so do input layers, which old Keras leaves out."""
    source = loading.read(str(path))
    inputs = {layer.path for layer in source.layers if layer.class_name == "InputLayer"}
    graph: nx.DiGraph[str] = nx.DiGraph(layer_edges(source))
    for name in inputs & set(graph):
        graph.add_edges_from((a, b) for a in graph.pred[name] for b in graph.succ[name])
    graph.remove_nodes_from(inputs)
    return nx.weisfeiler_lehman_graph_hash(graph, iterations=6)


def test_what_stores_no_config_has_no_edges() -> None:
    assert layer_edges(loading.read(str(FIXTURES / "mnist_cnn-k2.10.pb"))) == ()


def stored(root: dict[str, Any]) -> ModelSource:
    return ModelSource("m.h5", "hdf5", "", None, None, (), (), architecture=json.dumps(root))


def model(name: str, layers: list[dict[str, Any]], *outputs: str) -> dict[str, Any]:
    ends = [[layer, 0, 0] for layer in outputs]
    config = {"name": name, "layers": layers, "input_layers": ends, "output_layers": ends}
    return {"class_name": "Functional", "config": config}


def reading(layer: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**layer, "inbound_nodes": [[[name, 0, 0, {}] for name in names]]}


def test_an_output_that_is_listed_twice_at_every_level_is_one() -> None:
    inner = {"class_name": "Dense", "config": {"name": "d"}}
    for level in range(40):
        name = inner["config"]["name"]
        inner = model(f"m{level}", [inner], name, name)
    last = reading({"class_name": "Dense", "config": {"name": "last"}}, "m39")
    edges = layer_edges(stored(model("root", [inner, last], "last")))
    assert edges == (("/".join(f"m{level}" for level in range(39, -1, -1)) + "/d", "last"),)


def test_models_whose_outputs_all_feed_all_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"d{i}" for i in range(20)]
    layers = [{"class_name": "Dense", "config": {"name": name}} for name in names]
    first, second = model("first", layers, *names), model("second", layers, *names)
    root = model("root", [first, reading(second, "first")], "second")
    assert len(layer_edges(stored(root))) == 400
    monkeypatch.setattr(topology, "_MOST_PAIRS", 399)
    with pytest.raises(UnreadableModelError, match="feed one another in more than 399 pairs"):
        layer_edges(stored(root))
