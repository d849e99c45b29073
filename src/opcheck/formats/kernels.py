"""Kernel registrations as JSON: one registration a line."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from opcheck.formats.numbers import count
from opcheck.targets import KernelDef
from opcheck.targets.recorded import Recorded
from opcheck.targets.rows import Row


def render(kernels: Iterable[KernelDef]) -> str:
    """A list of the registrations, in one order whatever theirs."""
    return _rows(map(Row.of, kernels)) + "\n"


def render_recorded(recorded: Recorded) -> str:
    """A file that is a target (`opcheck.targets.recorded`): what it is of, then the same list."""
    head = msgspec.structs.replace(recorded, kernels=())
    lines = [
        f"{_json(name)}:{_json(value)},"
        for name, value in msgspec.structs.asdict(head).items()
        if name != "kernels"
    ]
    return "\n".join(["{", *lines, f'"kernels":{_rows(recorded.kernels)}', "}"]) + "\n"


def summary(recorded: Recorded) -> str:
    """One line on a captured registry: what it is of."""
    own = sum(row.origin == "plugin" for row in recorded.kernels)
    parts = [f"{recorded.distribution} {recorded.version}: {count(own, 'kernel')}"]
    if recorded.host is not None:
        host = recorded.host
        core = len(recorded.kernels) - own
        parts.append(f"TensorFlow {host.tensorflow}: {count(core, 'kernel')}")
        parts.append(f"devices: {', '.join(host.devices)}")
        parts.append(host.system)
    return "; ".join(parts)


def _rows(rows: Iterable[Row]) -> str:
    lines = sorted(map(_json, rows))
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
