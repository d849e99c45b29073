"""The table of ops that leave the accelerator, grouped by layer, for one target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from opcheck.formats.escape import printable
from opcheck.formats.numbers import count, times
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph, shortened, table
from opcheck.report import Op, Result
from opcheck.worker.protocol import Step

_MOST_ROWS = 40
_NARROW = 90  # columns below which the dtype stands under the op
_MOST_LAYERS = 3  # of one kind that are listed one by one
SHORT_STEPS: dict[Step, str] = {"inference": "infer", "training": "train"}
_WORST_FIRST = {"fails": 0, "unknown": 1, "cpu": 2, "host-pinned": 3}


@dataclass(frozen=True)
class Kind:
    """What the ops of one row have in common; names are fit to print."""

    layer: str
    op: str
    dtype: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Row:
    """``counts``: how many such ops each step has. ``message`` is the reason of the first."""

    kind: Kind
    counts: tuple[int, ...]
    message: str


@dataclass(frozen=True)
class Fallbacks:
    """What leaves the accelerator in the steps that were analysed.

    A kind of op that leaves in many layers has one row for all of them.
    ``minor``: the kinds of ops of little weight and how many, the most frequent first.
    """

    steps: tuple[Step, ...]
    rows: tuple[Row, ...]
    minor: tuple[tuple[str, int], ...]


def fallbacks(results: Sequence[Result]) -> Fallbacks:
    """The results are those of one target, one a step; each op is counted for each step."""
    results = [result for result in results if result.ops]
    first_of: dict[Kind, Op] = {}
    matter: Counter[tuple[Kind, Step]] = Counter()
    minor: Counter[str] = Counter()
    for result in results:
        seen: Counter[str] = Counter()
        for op in result.ops:
            if op.matters:
                kind = _kind(op)
                first_of.setdefault(kind, op)
                matter[kind, result.step] += 1
            elif op.leaves:
                seen[f"{printable(op.op)} {dtype(op)}".rstrip()] += 1
        minor |= seen  # the same small ops come back in the next step: show the larger count
    steps = tuple(result.step for result in results)
    rows = tuple(
        Row(
            kind,
            tuple(matter[kind, step] for step in steps),
            printable(first_of[kind].reason.message),
        )
        for kind in _ordered(list(first_of))
    )
    return Fallbacks(steps, _joined(rows), tuple(minor.most_common()))


def _joined(rows: Sequence[Row]) -> tuple[Row, ...]:
    """What is the same in many layers as one row: nobody reads a thousand."""
    alike: dict[tuple[Kind, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((replace(row.kind, layer=""), row.message), []).append(row)
    joined: dict[Row, None] = {}
    for row in rows:
        same = alike[replace(row.kind, layer=""), row.message]
        if len(same) > _MOST_LAYERS:
            layers = shortened([each.kind.layer for each in same], 2)
            counts = tuple(map(sum, zip(*(each.counts for each in same), strict=True)))
            row = Row(replace(row.kind, layer=layers), counts, row.message)
        joined[row] = None
    return tuple(joined)


def minor_sentence(minor: Sequence[tuple[str, int]]) -> str:
    """``84 ops of little weight: AddV2 int64 x21, ...``, of at most eight kinds."""
    kinds = [f"{name} {times(str(n))}" if n > 1 else name for name, n in minor]
    return f"{count(sum(n for _, n in minor), 'op')} of little weight: {shortened(kinds, 8)}."


def fallback_lines(results: Sequence[Result], style: Style) -> list[str]:
    """As text: a table, and a sentence on the ops of little weight."""
    found = fallbacks(results)
    lines = _table(found, style) if found.rows else []
    if found.minor:
        lines += paragraph(minor_sentence(found.minor), width=style.width)
    return lines


def dtype(op: Op) -> str:
    """The dtype one would name: ``T`` where the op has one, else every dtype it has."""
    values = [op.dtypes["T"]] if "T" in op.dtypes else list(op.dtypes.values())
    flat = (v for value in values for v in ((value,) if isinstance(value, str) else value))
    return "/".join(map(printable, dict.fromkeys(flat)))


def _kind(op: Op) -> Kind:
    stand_in = op.reason.code == "opaque"  # its ops are not the layer's own
    return Kind(
        layer=printable(op.layer or "-"),
        op="(stand-in)" if stand_in else printable(op.op),
        dtype="-" if stand_in else dtype(op),
        verdict=op.verdict,
        reason=op.reason.code,
    )


def _table(found: Fallbacks, style: Style) -> list[str]:
    narrow = style.width < _NARROW
    rows: list[list[str]] = []
    layer = None
    for row in found.rows[:_MOST_ROWS]:
        kind = row.kind
        name = kind.layer if kind.layer != layer else ""
        op = f"{kind.op} {times('/'.join(map(str, row.counts)))}"
        named = [f"{op}\n{kind.dtype}"] if narrow else [op, kind.dtype]
        rows.append([name, *named, kind.verdict, row.message])
        layer = kind.layer
    op = f"op {times('/'.join(SHORT_STEPS[step] for step in found.steps))}"
    headers = ("layer", *([op] if narrow else [op, "dtype"]), "verdict", "reason")
    lines = table(headers, rows, width=style.width, wrap={"layer": 1, "reason": 2})
    hidden = len(found.rows) - _MOST_ROWS
    if hidden > 0:
        lines.append(f"... and {hidden} more rows; --format json has every op.")
    return lines


def _ordered(kinds: list[Kind]) -> list[Kind]:
    """Layers stay together, those with the worst verdict first, otherwise as in the graph."""
    rank: dict[str, int] = {}
    for kind in kinds:
        rank[kind.layer] = min(rank.get(kind.layer, 9), _WORST_FIRST[kind.verdict])
    place = {layer: i for i, layer in enumerate(rank)}
    return sorted(kinds, key=lambda k: (rank[k.layer], place[k.layer], _WORST_FIRST[k.verdict]))
