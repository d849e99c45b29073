"""Fingerprints survive what does not concern the finding."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opcheck.graph import LayerNode
from opcheck.rules import Finding, PlacedOp, Subject, findings
from opcheck.rules.fingerprints import snake_case, unnumbered

NO_KERNEL = ("no-kernel", "tensorflow-metal 1.2.0 registers no Elu")


def elu(layer: str, placed: Callable[..., PlacedOp]) -> PlacedOp:
    return placed(f"{layer}/Elu", "Elu", "cpu", NO_KERNEL, layer=layer)


def layers(*paths: str) -> tuple[LayerNode, ...]:
    return tuple(LayerNode(path, "Dense", "keras.layers", "builtin") for path in paths)


@pytest.fixture
def found(
    make_subject: Callable[..., Subject], placed: Callable[..., PlacedOp]
) -> Callable[..., list[str]]:
    """The fingerprints of a model whose layers of the given names each have an Elu."""

    def of(*names: str) -> list[str]:
        ops = tuple(elu(name, placed) for name in names)
        report: tuple[Finding, ...] = findings(make_subject(ops=ops, layers=layers(*names)))
        return [f.fingerprint for f in report if f.code == "OPC101"]

    return of


def test_a_number_that_keras_gave_does_not_count(found: Callable[..., list[str]]) -> None:
    assert found("dense") == found("dense_1") == found("dense_17")
    assert found("dense", "dense_1", "head") == found("dense_4", "dense_7", "head")


def test_a_name_that_a_user_gave_counts_with_its_number(found: Callable[..., list[str]]) -> None:
    assert found("head_1") != found("head_2")
    assert found("head_1") != found("head")


def test_order_does_not_count(found: Callable[..., list[str]]) -> None:
    assert set(found("dense_1", "head", "tail")) == set(found("tail", "dense", "head"))


def test_one_more_of_the_same_is_new(found: Callable[..., list[str]]) -> None:
    before, after = found("dense", "dense_1"), found("dense", "dense_1", "dense_2")
    assert len(set(after)) == 3
    assert set(before) < set(after)


def test_a_nested_model_is_unnumbered_too() -> None:
    tree = (
        LayerNode("model_3", "Functional", "keras", "wrapper"),
        LayerNode("model_3/dense_12", "Dense", "keras.layers", "builtin", "model_3"),
        LayerNode("model_3/block_2", "Dense", "keras.layers", "builtin", "model_3"),
        LayerNode("sequential_1", "Sequential", "keras", "wrapper"),
    )
    assert dict(unnumbered(tree)) == {
        "model_3": "model",
        "model_3/dense_12": "model/dense",
        "model_3/block_2": "model/block_2",
        "sequential_1": "sequential",
    }


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("Dense", "dense"),
        ("Conv2D", "conv2d"),
        ("MultiHeadAttention", "multi_head_attention"),
        ("LSTM", "lstm"),
        ("GlobalAveragePooling2D", "global_average_pooling2d"),
        ("UpSampling2D", "up_sampling2d"),
        ("ELU", "elu"),
    ],
)
def test_names_are_those_that_keras_gives(class_name: str, name: str) -> None:
    assert snake_case(class_name) == name
