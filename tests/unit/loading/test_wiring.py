"""Layers in a circle are found; a layer that is used twice is none."""

from __future__ import annotations

from typing import Any

import pytest

from opcheck.errors import UnreadableModelError
from opcheck.loading.wiring import check_wiring


def model(**feeds: list[Any]) -> dict[str, Any]:
    layers = [
        {"class_name": "Dense", "config": {"name": name}, "name": name, "inbound_nodes": nodes}
        for name, nodes in feeds.items()
    ]
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
