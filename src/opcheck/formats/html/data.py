"""A report -> what the page's scripts read: columns of numbers, each text once.

The ops of a step are those of all its targets, by name; what a target says of them is a column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from markupsafe import Markup

from opcheck.formats.escape import printable
from opcheck.formats.fallbacks import dtype
from opcheck.report import Op, Report, Result

_ABSENT = -1
VERDICTS = ("accelerator", "host-pinned", "cpu", "fails", "unknown")


class _Texts:
    """Texts by number; -1 is none."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str | None) -> int:
        if text is None:
            return _ABSENT
        return self._numbers.setdefault(printable(text), len(self._numbers))

    def all(self) -> list[str]:
        return list(self._numbers)


def page_data(report: Report) -> Markup:
    """JSON that is inert inside a ``script`` element: it has no ``<``, ``>`` or ``&``."""
    texts = _Texts()
    paths = _layer_paths(report)
    numbers = {path: i for i, path in enumerate(paths)}
    steps = tuple(dict.fromkeys(result.step for result in report.results))
    ops = {step: _names([r for r in report.results if r.step == step]) for step in steps}
    data = {
        "layers": _layers(report, paths, numbers),
        "steps": [
            {"name": step, "ops": _columns(ops[step].values(), texts, numbers)} for step in steps
        ],
        "results": [
            _result(result, tuple(ops[result.step]), texts, numbers) for result in report.results
        ],
        "texts": texts.all(),
    }
    json = msgspec.json.encode(data).decode()
    for char in "<>&\u2028\u2029":
        json = json.replace(char, f"\\u{ord(char):04x}")
    return Markup(json)


def _layer_paths(report: Report) -> list[str]:
    """Those of the model, and those that only ops, flows or findings name."""
    paths: dict[str | None, None] = dict.fromkeys(layer.path for layer in report.model.layers)
    for result in report.results:
        paths |= dict.fromkeys(op.layer for op in result.ops)
        paths |= dict.fromkeys(end for flow in result.flows for end in (flow.source, flow.target))
        paths |= dict.fromkeys(finding.layer for finding in result.findings)
    return [path for path in paths if path is not None]


def _layers(
    report: Report, paths: Sequence[str], numbers: dict[str, int]
) -> list[dict[str, object]]:
    known = {layer.path: layer for layer in report.model.layers}
    found: list[dict[str, object]] = []
    for path in paths:
        layer = known.get(path)
        parent = layer.parent if layer else None
        found.append(
            {
                "path": printable(path),
                "name": printable(path.removeprefix(f"{parent}/") if parent else path),
                "parent": _ABSENT if parent is None else numbers.get(parent, _ABSENT),
                "class": printable(layer.class_name) if layer else "",
                "kind": layer.kind if layer else "",
            }
        )
    return found


def _names(results: Iterable[Result]) -> dict[str, Op]:
    """The ops of a step by name, as the first target that has them describes them."""
    found: dict[str, Op] = {}
    for result in results:
        for op in result.ops:
            found.setdefault(op.name, op)
    return found


def _columns(ops: Iterable[Op], texts: _Texts, layers: dict[str, int]) -> dict[str, object]:
    """What does not depend on the target."""
    ops = tuple(ops)

    def column(of: Callable[[Op], object]) -> list[object]:
        return [of(op) for op in ops]

    return {
        "name": column(lambda op: printable(op.name)),
        "type": column(lambda op: texts.number(op.op)),
        "layer": column(lambda op: _ABSENT if op.layer is None else layers[op.layer]),
        "role": column(lambda op: texts.number(op.role)),
        "dtype": column(lambda op: texts.number(dtype(op))),
        "flops": column(lambda op: op.cost.of_a_step(op.cost.flops)),
        "bytes": column(lambda op: op.cost.of_a_step(op.cost.bytes)),
    }


def _result(
    result: Result, names: Sequence[str], texts: _Texts, layers: dict[str, int]
) -> dict[str, object]:
    by_name = {op.name: op for op in result.ops}

    def column(of: Callable[[Op], object], absent: object = _ABSENT) -> list[object]:
        return [of(by_name[name]) if name in by_name else absent for name in names]

    def layer(path: str | None) -> int:
        return _ABSENT if path is None else layers[path]

    cost = result.summary.cost
    return {
        "target": printable(result.target),
        "description": printable(result.description),
        "device": result.device_type,
        "step": result.step,
        "why": [printable(text) for text in result.incomplete],
        "evidence": result.evidence,
        "partitions": cost.partitions if cost else None,
        "crossings": cost.crossings if cost else None,
        "crossingBytes": cost.crossing_bytes if cost else None,
        "flops": cost.flops if cost else None,
        "flopsShare": cost.flops_share if cost else None,
        "ops": {
            "verdict": column(lambda op: VERDICTS.index(op.verdict)),
            "matters": column(lambda op: int(op.matters), 0),
            "reason": column(lambda op: texts.number(op.reason.message)),
            "evidence": column(lambda op: texts.number(op.evidence)),
            "copies": column(lambda op: op.cost.crossings, 0),
            "copied": column(lambda op: op.cost.crossing_bytes, 0),
        },
        "flows": [
            [
                layer(flow.source),
                layer(flow.target),
                int(flow.data),
                flow.crossings,
                flow.crossing_bytes,
            ]
            for flow in result.flows
        ],
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "layer": layer(finding.layer),
                "message": printable(finding.message),
                "fix": finding.fix and printable(finding.fix),
                "accepted": finding.suppressed and printable(finding.suppressed.reason),
            }
            for finding in result.findings
        ],
    }
