"""The table of ops that leave the accelerator, grouped by layer, for one target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from opcheck.formats.escape import printable
from opcheck.formats.numbers import count, times
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph, shortened, table
from opcheck.report import Op, Result

_MOST_ROWS = 40
_SHORT = {"inference": "infer", "training": "train"}
_WORST_FIRST = {"fails": 0, "unknown": 1, "cpu": 2, "host-pinned": 3}


@dataclass(frozen=True)
class _Kind:
    """What the ops of one row have in common."""

    layer: str
    op: str
    dtype: str
    verdict: str
    reason: str


def fallback_lines(results: Sequence[Result], style: Style) -> list[str]:
    """The results are those of one target, one a step; each op is counted for each step."""
    first_of: dict[_Kind, Op] = {}
    matter: Counter[tuple[_Kind, str]] = Counter()
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
    lines = _table(first_of, matter, results, style) if first_of else []
    if minor:
        kinds = [f"{name} {times(str(n))}" if n > 1 else name for name, n in minor.most_common()]
        text = f"{count(sum(minor.values()), 'op')} of little weight: {shortened(kinds, 8)}."
        lines += paragraph(text, width=style.width)
    return lines


def dtype(op: Op) -> str:
    """The dtype one would name: ``T`` where the op has one, else every dtype it has."""
    values = [op.dtypes["T"]] if "T" in op.dtypes else list(op.dtypes.values())
    flat = (v for value in values for v in ((value,) if isinstance(value, str) else value))
    return "/".join(map(printable, dict.fromkeys(flat)))


def _kind(op: Op) -> _Kind:
    stand_in = op.reason.code == "opaque"  # its ops are not the layer's own
    return _Kind(
        layer=printable(op.layer or "-"),
        op="(stand-in)" if stand_in else printable(op.op),
        dtype="-" if stand_in else dtype(op),
        verdict=op.verdict,
        reason=op.reason.code,
    )


def _table(
    first_of: dict[_Kind, Op],
    matter: Counter[tuple[_Kind, str]],
    results: Sequence[Result],
    style: Style,
) -> list[str]:
    steps = [result.step for result in results if result.ops]
    kinds = _ordered(list(first_of))
    rows: list[list[str]] = []
    layer = None
    for kind in kinds[:_MOST_ROWS]:
        counts = "/".join(str(matter[kind, step]) for step in steps)
        reason = printable(first_of[kind].reason.message)
        name = kind.layer if kind.layer != layer else ""
        rows.append([name, f"{kind.op} {times(counts)}", kind.dtype, kind.verdict, reason])
        layer = kind.layer
    op = f"op {times('/'.join(_SHORT[step] for step in steps))}"
    headers = ("layer", op, "dtype", "verdict", "reason")
    lines = table(headers, rows, width=style.width, wrap={"layer": 1, "reason": 2})
    hidden = len(kinds) - _MOST_ROWS
    if hidden > 0:
        lines.append(f"... and {hidden} more rows; --format json has every op.")
    return lines


def _ordered(kinds: list[_Kind]) -> list[_Kind]:
    """Layers stay together, those with the worst verdict first, otherwise as in the graph."""
    rank: dict[str, int] = {}
    for kind in kinds:
        rank[kind.layer] = min(rank.get(kind.layer, 9), _WORST_FIRST[kind.verdict])
    place = {layer: i for i, layer in enumerate(rank)}
    return sorted(kinds, key=lambda k: (rank[k.layer], place[k.layer], _WORST_FIRST[k.verdict]))
