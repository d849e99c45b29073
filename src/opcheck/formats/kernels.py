"""Kernel registrations as JSON: one registration a line."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from opcheck.targets import KernelDef


def render(kernels: Iterable[KernelDef]) -> str:
    """A list of the registrations, in one order whatever theirs."""
    lines = sorted(msgspec.json.encode(_row(kernel)).decode() for kernel in kernels)
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def _row(kernel: KernelDef) -> dict[str, object]:
    return {
        "op": kernel.op,
        "device": kernel.device,
        "constraints": {attr: sorted(values) for attr, values in kernel.constraints},
        "host_memory": list(kernel.host_memory),
        "priority": kernel.priority,
        "label": kernel.label,
        "origin": kernel.origin,
        "requires": dict(kernel.requires) or None,
    }
