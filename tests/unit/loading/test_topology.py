"""The layers' graph of a stored config: the same model, whichever Keras saved it, has one."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest

from opcheck import loading
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
