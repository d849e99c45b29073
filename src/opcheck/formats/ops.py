"""What targets have for an op, as text; one op a line, so that grep finds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tabulate import tabulate

from opcheck.targets import KernelDef, Target
from opcheck.targets.kernels import reading_order
from opcheck.targets.support import Support, accelerated, accelerated_ops

_NOTHING = "-"


def listing(target: Target) -> str:
    """Every op that the accelerator has a kernel for."""
    ops = accelerated_ops(target)
    rows = [(op, _origins(target, op), _described(accelerated(target, op))) for op in ops]
    head = (
        f"{target.description}, beside TensorFlow {target.tensorflow}: {target.device_type} has "
        f"kernels for {len(ops)} ops."
    )
    return _page(head, ("op", "kernels of", "types"), rows)


def one(target: Target, op: str, found: Sequence[Support]) -> str:
    """All that is known of one op."""
    if not found:
        return f"{_absent(target, op)}\n"
    rows = [
        (
            f"any ({each.device})" if each.device == "DEFAULT" else each.device,
            each.origin,
            each.attr or _NOTHING,
            _listed(each.types) if each.attr else "every type",
            ", ".join(each.host_memory) or _NOTHING,
            f"{each.since} or earlier" if each.oldest else each.since,
        )
        for each in found
    ]
    head = f"{op} on {target.description}, beside TensorFlow {target.tensorflow}"
    columns = ("device", "kernels of", "attribute", "types", "in host memory", "since")
    return _page(head, columns, rows)


def comparison(left: Target, right: Target, only: str | None = None) -> str:
    """The ops for which the two accelerators do not have the same kernels, and what differs."""
    ops = {only} if only else {*accelerated_ops(left), *accelerated_ops(right)}
    rows = []
    for op in sorted(ops):
        ours, theirs = accelerated(left, op), accelerated(right, op)
        if _signatures(ours) != _signatures(theirs):
            rows.append((op, *_difference(ours, theirs)))
    if not rows:
        same = only or "every op"
        return f"{left.label} and {right.label} have the same kernels for {same}.\n"
    what = only or f"{len(rows)} ops"
    head = f"{what}: not alike on {left.description} and on {right.description}"
    return _page(head, ("op", f"only {left.label}", f"only {right.label}", "note"), rows)


def _difference(ours: Sequence[KernelDef], theirs: Sequence[KernelDef]) -> tuple[str, str, str]:
    """The types that one side alone has, and what else differs."""
    left, right = _types(ours), _types(theirs)
    if not ours or not theirs or left.keys() != right.keys():
        return _described(ours), _described(theirs), ""
    note = ""
    if left == right:
        alike = {k.constraints for k in ours} == {k.constraints for k in theirs}
        note = "other arguments in host memory" if alike else "other combinations"
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
    return {(k.constraints, k.host_memory) for k in kernels}


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


def _page(head: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = tabulate(rows, columns, tablefmt="simple", disable_numparse=True).splitlines()
    return "\n".join([head, "", *(line.rstrip() for line in table)]) + "\n"
