"""What Keras would wait for forever is found; a layer that is used twice is none of that."""

from __future__ import annotations

from typing import Any

import pytest

from opcheck.errors import UnreadableModelError
from opcheck.loading.wiring import check_wiring, counted_from_zero


def model(**feeds: list[Any]) -> dict[str, Any]:
    layers = [
        {"class_name": "Dense" if nodes else "InputLayer", "config": {"name": name}, "name": name,
         "inbound_nodes": nodes}
        for name, nodes in feeds.items()
    ]  # fmt: skip
    return {"class_name": "Functional", "config": {"input_layers": [], "layers": layers}}


def keras2(name: str, call: int = 0) -> Any:
    return [[name, call, 0, {}]]


def keras3(name: str, call: int = 0) -> Any:
    config = {"keras_history": [name, call, 0]}
    return {"args": [{"class_name": "__keras_tensor__", "config": config}], "kwargs": {}}


@pytest.mark.parametrize("feed", [keras2, keras3])
def test_wiring(feed: Any) -> None:
    check_wiring(model(i=[], a=[feed("i"), feed("b")], b=[feed("a")], c=[feed("a", 1)]))
    with pytest.raises(UnreadableModelError, match="feed one another in a circle: "):
        check_wiring(model(i=[], a=[feed("b")], b=[feed("c")], c=[feed("a")]))
    with pytest.raises(UnreadableModelError, match="circle: a"):
        check_wiring(model(a=[feed("a")]))
    nested = model(m=[])
    nested["config"]["layers"][0] = model(a=[feed("b")], b=[feed("a")])
    with pytest.raises(UnreadableModelError, match="circle"):
        check_wiring(nested)


@pytest.mark.parametrize("feed", [keras2, keras3])
def test_what_is_not_there(feed: Any) -> None:
    for call in (-1, 1, 2**40, 1.0, "0", None):
        with pytest.raises(UnreadableModelError, match=r"Layer b reads call .* of a, which there"):
            check_wiring(model(i=[], a=[feed("i")], b=[feed("a", call)]))
    with pytest.raises(UnreadableModelError, match="Layer a reads c, which is no layer"):
        check_wiring(model(i=[], a=[feed("c")]))
    with pytest.raises(UnreadableModelError, match="call 1 of i"):
        check_wiring(model(i=[], a=[feed("i", 1)]))
    outside = model(i=[], a=[feed("i")])
    outside["config"]["output_layers"] = [["b", 0, 0]]
    with pytest.raises(UnreadableModelError, match="The model's output_layers reads b"):
        check_wiring(outside)


def test_two_of_one_name() -> None:
    twice = model(i=[], a=[keras2("i")])
    twice["config"]["layers"] += model(a=[keras2("i")])["config"]["layers"]
    with pytest.raises(UnreadableModelError, match="Two layers of the model are called a"):
        check_wiring(twice)


def test_values_that_look_like_layers() -> None:
    """Constants of Keras 2, and lists of Keras 3, which has a kind of its own for tensors."""
    constant = [["_CONSTANT_VALUE", -1, 1, {"y": ["i", 0, 0]}]]
    check_wiring(model(i=[], a=[constant]))
    check_wiring(model(i=[], a=[{"args": [], "kwargs": {"padding": "same"}}]))
    listed = {"names": ["age", "sex", "zip"], "like": ["i", 7, 0]}
    node = {**keras3("i"), "kwargs": listed}
    node["args"] = ["sum", *node["args"], *node["args"]]
    check_wiring(model(i=[], a=[node]))
    check_wiring(model(i=[], a=[{"x": ["i", 0, 0, {}]}]))
    with pytest.raises(UnreadableModelError, match="Layer a reads c"):
        check_wiring(model(i=[], a=[{"x": ["c", 0, 0, {}]}]))  # by name, in Keras 2


def test_calls_are_counted_from_zero() -> None:
    config = model(i=[], m=[keras2("i")], a=[keras2("m", 1)])["config"]
    config["output_layers"] = [["m", 1, 0]]
    shifted = counted_from_zero(config, ["m"])
    assert shifted["layers"][2]["inbound_nodes"] == [keras2("m", 0)]
    assert shifted["output_layers"] == [["m", 0, 0]]
    assert shifted["layers"][1]["inbound_nodes"] == [keras2("i")]
    assert counted_from_zero(shifted, ["m"]) == shifted
