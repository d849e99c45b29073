"""The graph of the layers as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from opcheck.formats import svg
from opcheck.formats.layergraph import Arrow, Box, LayerGraph, of_model, of_result
from opcheck.report import Report

NAMESPACE = "{http://www.w3.org/2000/svg}"


def drawn(graph: LayerGraph) -> ET.Element:
    return ET.fromstring(svg.render(graph))


def boxes(root: ET.Element) -> dict[str, tuple[float, float, float, float]]:
    """The first line of a box -> its left, top, width and height."""
    found = {}
    for group in root.iter(f"{NAMESPACE}g"):
        rect, text = group.find(f"{NAMESPACE}rect"), group.find(f"{NAMESPACE}text")
        assert rect is not None
        assert text is not None
        name = text.text or ""
        found[name] = tuple(float(rect.get(key, "")) for key in ("x", "y", "width", "height"))
    return found


def texts(root: ET.Element) -> str:
    return "\n".join(root.itertext())


def test_a_result(report: Report) -> None:
    graph = of_result(report, report.results[0])
    status = {box.path: box.status for box in graph.boxes}
    assert status["block/attention"] == "cpu"
    assert status["block"] == "host-pinned"
    assert status["block/gate"] == "unknown"
    assert status["dense"] == "accelerator"
    root = drawn(graph)
    assert len(boxes(root)) == len(graph.boxes)
    assert len(root.findall(f"{NAMESPACE}path")) == len(graph.arrows)
    assert "1 copy" in texts(root)
    assert "on the CPU" in texts(root)


def test_depth_closes_nested_models(report: Report) -> None:
    paths = {box.path for box in of_result(report, report.results[0], depth=1).boxes}
    assert "block" in paths
    assert not any("/" in path for path in paths)


def test_boxes_neither_overlap_nor_leave_the_picture(report: Report) -> None:
    chain = [f"layer_{i}" for i in range(12)]
    pairs = [*pairwise(chain), ("layer_0", "layer_9"), ("layer_2", "layer_5")]
    pairs += [("other", "alone")]
    graph = of_model(report.model, pairs)
    root = drawn(graph)
    places = list(boxes(root).values())
    assert len(places) == 14
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    for i, (x, y, w, h) in enumerate(places):
        assert x >= 0 and x + w <= width and y >= 0 and y + h <= height
        for x2, y2, w2, h2 in places[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    tops = boxes(root)
    assert all(tops[a][1] < tops[b][1] for a, b in pairs)


def test_a_model_without_a_check_has_no_colours(report: Report) -> None:
    root = drawn(of_model(report.model, [("embedding", "dense")]))
    assert set(boxes(root)) == {"embedding", "dense"}
    assert "on the CPU" not in texts(root)


@settings(max_examples=40, deadline=None)
@given(name=st.text(max_size=30) | st.sampled_from(["</svg><script>", "&lt;", "\x1b[31m", "]]>"]))
def test_a_hostile_name_is_inert(name: str) -> None:
    boxes = (Box(name, name, "cpu", name), Box("b", "", "none", ""))
    graph = LayerGraph(name, boxes, (Arrow(name, "b"),))
    if name == "b":
        return
    root = drawn(graph)
    tags = {element.tag.removeprefix(NAMESPACE) for element in root.iter()}
    assert tags <= {"svg", "title", "rect", "defs", "marker", "path", "text", "g"}
    assert all(char.isprintable() for text in root.itertext() for char in text.replace("\n", ""))
