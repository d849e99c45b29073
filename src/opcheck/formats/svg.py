"""The graph of the layers as SVG, for documents: no script, no font, no style but its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from opcheck.errors import CannotCheckError
from opcheck.formats.escape import printable
from opcheck.formats.layergraph import Arrow, Box, LayerGraph, Status

if TYPE_CHECKING:
    from grandalf.graphs import Edge, Vertex

_HEIGHT, _CHARACTER, _LONGEST = 40, 6.6, 44
_MARGIN, _BETWEEN = 24, 36
_LEGEND: dict[Status, str] = {
    "fails": "fails",
    "cpu": "on the CPU",
    "host-pinned": "host-pinned",
    "unknown": "unknown",
    "minor": "only small ops leave",
    "accelerator": "all there",
    "none": "no ops",
}

Point = tuple[float, float]


@dataclass
class _View:
    """What grandalf lays out: it reads the size and sets the middle, and ``points`` of an edge."""

    w: float = 0
    h: float = 0
    xy: Point = (0, 0)


def render(graph: LayerGraph) -> str:
    """Raises CannotCheckError without the extra ``graph``."""
    boxes, lines = _laid_out(graph)
    legend = [status for status in _LEGEND if any(box.status == status for box, _ in boxes)]
    judged = legend != ["none"]
    width = max([x + view.w / 2 for _, view in boxes for x in view.xy[:1]], default=0) + _MARGIN
    width = max(width, 7.2 * len(printable(graph.title)) + 2 * _MARGIN, 130.0 * len(legend))
    height = max([view.xy[1] + _HEIGHT / 2 for _, view in boxes], default=0) + _MARGIN
    root = ET.Element("svg", _numbers(width=width, height=height + 30 * judged))
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("viewBox", f"0 0 {width:.0f} {height + 30 * judged:.0f}")
    root.set("role", "img")
    root.set("font-family", "system-ui, sans-serif")
    root.set("font-size", "12")
    ET.SubElement(root, "title").text = printable(graph.title)
    ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": _colour("panel")})
    _arrow_heads(root)
    _text(root, graph.title, _MARGIN, 22, anchor="start", **{"font-weight": "600"})
    for arrow, points in lines:
        _draw_line(root, arrow, points)
    for box, view in boxes:
        _draw_box(root, box, view)
    if judged:
        _draw_legend(root, legend, height + 10)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _laid_out(
    graph: LayerGraph,
) -> tuple[list[tuple[Box, _View]], list[tuple[Arrow, list[Point]]]]:
    """Sugiyama's layers; parts that are not connected stand beside each other."""
    try:
        from grandalf import graphs, layouts, routing
    except ImportError:
        raise CannotCheckError(
            "Drawing the graph needs the package grandalf.", hint="pip install 'opcheck[graph]'"
        ) from None
    vertices = {box.path: graphs.Vertex(box) for box in graph.boxes}
    for vertex in vertices.values():
        vertex.view = _View(w=_width(vertex.data), h=_HEIGHT)
    edges = [
        graphs.Edge(vertices[arrow.source], vertices[arrow.target], data=arrow)
        for arrow in graph.arrows
    ]
    for edge in edges:
        edge.view = routing.EdgeViewer()
    boxes: list[tuple[Box, _View]] = []
    lines: list[tuple[Arrow, list[Point]]] = []
    left = float(_MARGIN)
    for part in graphs.Graph(list(vertices.values()), edges).C:
        layout = layouts.SugiyamaLayout(part)
        layout.xspace, layout.yspace = 28, 44
        layout.route_edge = routing.route_with_lines
        layout.init_all(roots=[v for v in part.sV if not v.e_in()] or [part.sV[0]], optimize=True)
        layout.draw(3)
        left += _place(list(part.sV), list(part.sE), left, boxes, lines)
    return boxes, lines


def _place(
    vertices: list[Vertex],
    edges: list[Edge],
    left: float,
    boxes: list[tuple[Box, _View]],
    lines: list[tuple[Arrow, list[Point]]],
) -> float:
    """Move a part to the right of ``left``, below the title; returns the room that it takes."""
    points = {id(edge): list(edge.view._pts) for edge in edges}
    xs = [x for line in points.values() for x, _ in line]
    right = max([v.view.xy[0] + v.view.w / 2 for v in vertices] + xs)
    start = min([v.view.xy[0] - v.view.w / 2 for v in vertices] + xs)
    top = min(v.view.xy[1] for v in vertices) - _HEIGHT / 2

    def moved(point: Point) -> Point:
        return point[0] - start + left, point[1] - top + 40

    for vertex in vertices:
        vertex.view.xy = moved(vertex.view.xy)
        boxes.append((vertex.data, vertex.view))
    lines += ((edge.data, [moved(point) for point in points[id(edge)]]) for edge in edges)
    return float(right - start + _BETWEEN)


def _width(box: Box) -> float:
    return max(90.0, _CHARACTER * max(map(len, _lines(box))) + 20)


def _lines(box: Box) -> tuple[str, str]:
    return (
        _short(box.path),
        _short(" · ".join(filter(None, (box.class_name, box.words)))),
    )


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _draw_box(root: ET.Element, box: Box, view: _View) -> None:
    group = ET.SubElement(root, "g")
    ET.SubElement(group, "title").text = " · ".join(
        filter(None, map(printable, (box.path, box.class_name, box.words)))
    )
    x, y = view.xy
    rect = _numbers(x=x - view.w / 2, y=y - _HEIGHT / 2, width=view.w, height=_HEIGHT, rx=6)
    rect |= {"fill": _colour(f"{box.status}-fill"), "stroke": _colour(box.status)}
    rect["stroke-width"] = "2.5" if box.status in ("fails", "cpu", "host-pinned") else "1.5"
    if box.status == "unknown":
        rect["stroke-dasharray"] = "5 3"
    ET.SubElement(group, "rect", rect)
    name, detail = _lines(box)
    _text(group, name, x, y - 3 if detail else y + 4)
    _text(group, detail, x, y + 12, fill=_colour("dim"), **{"font-size": "10.5"})


def _draw_line(root: ET.Element, arrow: Arrow, points: list[Point]) -> None:
    colour = "crossing" if arrow.copies else "edge"
    line = {
        "d": "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points),
        "fill": "none",
        "stroke": _colour(colour),
        "stroke-width": "2.2" if arrow.copies else "1.4",
        "marker-end": f"url(#{colour})",
    }
    if arrow.copies:
        line["stroke-dasharray"] = "6 3"
    ET.SubElement(root, "path", line)
    if arrow.copies:
        (x1, y1), (x2, y2) = points[len(points) // 2 - 1 : len(points) // 2 + 1]
        words = f"{arrow.copies} {'copy' if arrow.copies == 1 else 'copies'}"
        smaller = {"font-size": "10"}
        _text(root, words, (x1 + x2) / 2 + 6, (y1 + y2) / 2 + 3, anchor="start", **smaller)


def _draw_legend(root: ET.Element, legend: list[Status], y: float) -> None:
    x = float(_MARGIN)
    for status in legend:
        square = _numbers(x=x, y=y - 9, width=11, height=11, rx=2)
        square |= {"fill": _colour(f"{status}-fill"), "stroke": _colour(status)}
        ET.SubElement(root, "rect", square | {"stroke-width": "1.5"})
        _text(root, _LEGEND[status], x + 16, y, anchor="start", fill=_colour("dim"))
        x += 34 + _CHARACTER * len(_LEGEND[status])


def _arrow_heads(root: ET.Element) -> None:
    definitions = ET.SubElement(root, "defs")
    for colour in ("edge", "crossing"):
        marker = ET.SubElement(
            definitions,
            "marker",
            {"id": colour, "viewBox": "0 0 8 8", "refX": "7.5", "refY": "4", "orient": "auto"}
            | {"markerWidth": "8", "markerHeight": "8", "markerUnits": "userSpaceOnUse"},
        )
        ET.SubElement(marker, "path", {"d": "M0,0 L8,4 L0,8 z", "fill": _colour(colour)})


def _text(
    parent: ET.Element, text: str, x: float, y: float, anchor: str = "middle", **more: str
) -> None:
    attributes = {"text-anchor": anchor, "fill": _colour("ink"), **more}
    ET.SubElement(parent, "text", _numbers(x=x, y=y) | attributes).text = printable(text)


def _numbers(**values: float) -> dict[str, str]:
    return {name: f"{value:.1f}".removesuffix(".0") for name, value in values.items()}


def _colour(name: str) -> str:
    return _palette()[name]


@cache
def _palette() -> dict[str, str]:
    """The light colours of the HTML report."""
    css = (files("opcheck.formats.html") / "page.css").read_text(encoding="utf-8")
    light = css[: css.index("}")]
    return dict(re.findall(r"--([\w-]+): (#\w+);", light))
