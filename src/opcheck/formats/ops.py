"""What targets have for an op, as text; one op a line, so that grep finds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from tabulate import tabulate

from opcheck.formats.match import match_line
from opcheck.formats.numbers import count
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph, table
from opcheck.targets import KernelDef, Target
from opcheck.targets.kernels import DEFAULT, reading_order
from opcheck.targets.support import Support, accelerated, accelerated_ops
from opcheck.targets.versions import systems

_NOTHING = "-"


def listing(target: Target, width: int | None = None) -> str:
    """Every op that the accelerator has a kernel for; one a line unless there is a width."""
    ops = accelerated_ops(target)
    rows = [(op, _origins(target, op), _described(accelerated(target, op))) for op in ops]
    head = (
        f"{target.description}, beside TensorFlow {target.tensorflow}: {target.device_type} has "
        f"kernels for {len(ops)} ops."
    )
    columns = ("op", "of", "types")
    return _headed([target], [head, "", *_table(columns, rows, width)], width)


def one(target: Target, op: str, found: Sequence[Support], width: int | None = None) -> str:
    """All that is known of one op, within ``width`` columns or a page's."""
    here = [each for each in found if each.here]
    elsewhere = [each for each in found if not each.here]
    lines = [f"{op} on {target.description}, beside TensorFlow {target.tensorflow}"]
    if here:
        lines += ["", *_supports(here, width)]
    else:
        lines = [_absent(target, op)]
    if elsewhere:
        others = f"versions of {target.plugin}"
        others += " or another system" if any(each.requires for each in elsewhere) else ""
        lines += ["", f"Not on {target.description}, but on other {others}", ""]
        lines += _supports(elsewhere, width)
    if any(each.device == DEFAULT for each in found):
        lines += ["", f"{DEFAULT}: TensorFlow's own, for every device with no kernel of its own."]
    return _headed([target], lines, width)


def _supports(found: Sequence[Support], width: int | None) -> list[str]:
    columns = ["device", "of", "types", "host memory", "system", "since"]
    rows = [
        [
            each.device,
            each.origin,
            f"{each.attr}: {_listed(each.types)}" if each.attr else "every type",
            ", ".join(each.host_memory) or _NOTHING,
            systems(each.requires) or "any",
            ", ".join(map(str, each.spans)),
        ]
        for each in found
    ]
    if not any(each.requires for each in found):
        _drop(columns, rows, columns.index("system"))
    wrap = {"types": 3, "host memory": 2, "since": 2}
    return table(columns, rows, width=width or Style().width, wrap=wrap)


def comparison(
    left: Target,
    right: Target,
    between: Sequence[Target] = (),
    only: str | None = None,
    width: int | None = None,
) -> str:
    """The ops for which the two accelerators do not have the same kernels, and what differs.

    ``between`` are the versions from the one to the other, both included, in which the change
    is looked for.
    """
    names = [left.label, right.label] if left.label != right.label else ["the first", "the second"]
    ops = {only} if only else {*accelerated_ops(left), *accelerated_ops(right)}
    rows = []
    for op in sorted(ops):
        ours, theirs = accelerated(left, op), accelerated(right, op)
        if _signatures(ours) != _signatures(theirs):
            rows.append([op, *_difference(ours, theirs), _changed(op, between)])
    if not rows:
        what = (
            f"{left.description} and {right.description} have the same kernels for "
            f"{only or 'every op'}."
        )
        return _headed([left, right], [what], width)
    what = only or count(len(rows), "op")
    head = f"{what}: not alike on {left.description} and on {right.description}"
    columns = ["op", *(f"only {name}" for name in names), "differ in", "changed in"]
    for last in (4, 3):  # what no row says
        if not any(row[last] for row in rows):
            _drop(columns, rows, last)
    return _headed([left, right], [head, "", *_table(columns, rows, width)], width)


def _drop(columns: list[str], rows: Sequence[list[str]], which: int) -> None:
    for line in (columns, *rows):
        line.pop(which)


def _changed(op: str, versions: Sequence[Target]) -> str:
    """The versions whose kernels are not those of the version before."""
    changed = [
        new.version
        for old, new in pairwise(versions)
        if _signatures(accelerated(old, op)) != _signatures(accelerated(new, op))
    ]
    return ", ".join(changed)


def _difference(ours: Sequence[KernelDef], theirs: Sequence[KernelDef]) -> tuple[str, str, str]:
    """The types that one side alone has, and what else differs."""
    left, right = _types(ours), _types(theirs)
    if not ours or not theirs or left.keys() != right.keys():
        return _described(ours), _described(theirs), ""
    note = ""
    if left == right:
        alike = {k.constraints for k in ours} == {k.constraints for k in theirs}
        note = "host memory" if alike else "combinations"
    return _said(_without(left, right)), _said(_without(right, left)), note


def _absent(target: Target, op: str) -> str:
    where = f"{target.description} has no kernel for {op} on {target.device_type}"
    if target.registry.has_op(op, "CPU"):
        types = _described(target.registry.kernels(op, "CPU"))
        return f"{where}. It falls back to the CPU ({types})."
    return f"{where}, and none on the CPU: it fails."


def _origins(target: Target, op: str) -> str:
    return ", ".join(sorted({kernel.origin for kernel in accelerated(target, op)}, reverse=True))


def _signatures(kernels: Iterable[KernelDef]) -> set[object]:
    return {
        (frozenset((a, frozenset(v)) for a, v in k.constraints), k.host_memory) for k in kernels
    }


def _described(kernels: Sequence[KernelDef]) -> str:
    """``T: float32, float16; Tidx: int32``."""
    return _said(_types(kernels), "every type") if kernels else _NOTHING


def _types(kernels: Iterable[KernelDef]) -> dict[str, set[str]]:
    allowed: dict[str, set[str]] = {}
    for kernel in kernels:
        for attr, values in kernel.constraints:
            allowed.setdefault(attr, set()).update(values)
    return allowed


def _without(some: Mapping[str, set[str]], others: Mapping[str, set[str]]) -> dict[str, set[str]]:
    return {attr: values - others[attr] for attr, values in some.items() if values - others[attr]}


def _said(types: Mapping[str, set[str]], nothing: str = _NOTHING) -> str:
    parts = [f"{attr}: {_listed(tuple(values))}" for attr, values in sorted(types.items())]
    return "; ".join(parts) or nothing


def _listed(types: Sequence[str]) -> str:
    return ", ".join(sorted(types, key=reading_order))


def _headed(targets: Iterable[Target], lines: Iterable[str], width: int | None) -> str:
    """First of all, where a target is not the one that was asked for."""
    said = dict.fromkeys(match_line(t.match, t.match_reason) for t in targets if t.match != "exact")
    return "\n".join(part for line in (*said, *lines) for part in _folded(line, width)) + "\n"


def _folded(line: str, width: int | None) -> list[str]:
    """Sentences wrap; the lines of a table are within the width already, or are indented."""
    if width is None or len(line) <= width:
        return [line]
    return paragraph(line, width=width)


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None
) -> Iterable[str]:
    """A line a row, so that grep finds it; within a width, a block a row."""
    if width is not None:
        return [line for row in rows for line in _block(columns, row, width)]
    lines = tabulate(rows, columns, tablefmt="simple", disable_numparse=True).splitlines()
    return [line.rstrip() for line in lines]


def _block(columns: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    widest = max(map(len, columns[1:]))
    lines = [row[0]]
    for name, cell in zip(columns[1:], row[1:], strict=True):
        if cell not in ("", _NOTHING):
            lines += paragraph(cell, width=width, first=f"  {name:<{widest}}  ")
    return lines
