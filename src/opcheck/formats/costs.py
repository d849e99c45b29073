"""What a step costs, in two lines under its verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from opcheck.cost import ExpensiveOp, StepCost
from opcheck.formats.escape import printable
from opcheck.formats.numbers import amount, count, percent, times
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph
from opcheck.report import Result

_MOST_KINDS = 3


def cost_texts(result: Result) -> list[str]:
    """The sums, and where ops of weight leave, the costliest of them."""
    cost = result.summary.cost
    if cost is None:
        return []
    matter = {op.name for op in result.ops if op.matters}
    worst = [op for op in cost.most_expensive if op.name in matter]
    return [_sums(cost, result.device_type), *([_costliest(worst, cost)] if worst else [])]


def cost_lines(result: Result, style: Style) -> list[str]:
    return [
        line
        for text in cost_texts(result)
        for line in paragraph(text, width=style.width, first="  ", rest="    ")
    ]


def _sums(cost: StepCost, device: str) -> str:
    flops = percent(cost.flops_accelerator, cost.flops)
    moved = percent(cost.bytes_accelerator, cost.bytes)
    parts = [
        f"{flops} of {amount(cost.flops, 'FLOP')} and {moved} of {amount(cost.bytes, 'B')} on the "
        f"{device} at batch {cost.batch}",
        f"{count(cost.partitions, 'partition')} in {count(cost.turns, 'turn')}",
        _copies(cost),
    ]
    if cost.unknown_ops:
        parts.append(f"{count(cost.unknown_ops, 'op')} of unknown cost")
    if cost.unknown_loops:
        parts.append(f"{count(cost.unknown_loops, 'op')} in loops of unknown length")
    return "; ".join(parts)


def _copies(cost: StepCost) -> str:
    if not cost.crossings:
        return "no copies"
    least = "at least " if cost.unknown_crossings else ""
    plural = "copy" if cost.crossings == 1 else "copies"
    return f"{cost.crossings} {plural} ({least}{amount(cost.crossing_bytes, 'B')})"


def _costliest(worst: Sequence[ExpensiveOp], cost: StepCost) -> str:
    """``costliest: Einsum (28.6 % of the FLOPs, 37 kB copied)``."""
    kinds: defaultdict[str, list[ExpensiveOp]] = defaultdict(list)
    for op in worst:
        kinds[op.op].append(op)
    said = []
    for name, ops in list(kinds.items())[:_MOST_KINDS]:
        facts = []
        flops = sum(op.flops or 0 for op in ops)
        if flops and flops >= cost.flops / 1000:  # less is nothing to name
            facts.append(f"{percent(flops, cost.flops)} of the FLOPs")
        copied = sum(op.crossing_bytes or 0 for op in ops)
        if copied:
            facts.append(f"{amount(copied, 'B')} copied")
        if any(op.flops is None for op in ops):
            facts.append("FLOPs unknown")
        label = printable(name) if len(ops) == 1 else f"{printable(name)} {times(str(len(ops)))}"
        said.append(f"{label} ({', '.join(facts)})" if facts else label)
    return "costliest: " + ", ".join(said)
