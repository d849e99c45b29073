"""The registry files in ``data/``: compact, reviewable, and lossless for each registration.

A file is JSON with one op a line. An op is a list of groups, one per device, label, priority,
host-memory list and condition; the registrations of a group are its ``rows``. A row has one
word per constrained attribute (named by ``attrs``), and stands for every combination of the
words' alternatives::

    {"device": "GPU", "attrs": "T Tidx", "rows": ["float16|float32 int32|int64"]}

is four registrations. Within an alternative, ``+`` joins the values that one registration
allows together: ``float16+float32`` is a single kernel that takes either. An op without groups
is one that a core defines and has no kernel for.

Neighbouring versions differ in little. So a file may name another one as its ``base``, which
stands beside it and has none itself: it then holds only the ops that differ, and names those that
are gone in ``removed``. `read` puts the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Literal

import msgspec

from opcheck.targets.kernels import KernelDef, Origin

SCHEMA = 2
_OPTIONAL = ("ops", "base", "removed")


class Group(msgspec.Struct, frozen=True):
    """Registrations of one op that differ only in the values of their constraints."""

    device: str
    attrs: str = ""
    rows: tuple[str, ...] = ("",)
    host_memory: tuple[str, ...] = ()
    priority: int = 0
    label: str = ""
    requires: tuple[tuple[str, str], ...] = ()


class Provenance(msgspec.Struct, frozen=True):
    """One library that a registry was recovered from, and what it gave.

    ``abandoned`` names the initializers that did not run to their end (docs/targets.md).
    """

    wheel: str
    sha256: str
    member: str
    method: str
    ops: int
    kernels: int
    abandoned: tuple[str, ...] = ()


class PluginTraits(msgspec.Struct, frozen=True):
    """What a plugin says about itself besides its kernels."""

    platform: str
    device_type: str
    optimizer_switches: tuple[tuple[str, str], ...]
    defines: tuple[str, ...]


class RegistryFile(msgspec.Struct, frozen=True):
    """One file of ``data/``; ``ops`` is complete, whatever the file's base holds of it."""

    schema: int
    generated_by: str
    origin: Origin
    distribution: str
    version: str
    arch: Literal["arm64", "x86_64"]
    sources: tuple[Provenance, ...]
    plugin: PluginTraits | None
    ops: dict[str, tuple[Group, ...]]
    base: str | None = None
    removed: tuple[str, ...] = ()

    @property
    def without_kernels(self) -> tuple[str, ...]:
        """The ops that a core defines and no library of it has a kernel for: what tells "fails
        everywhere" from "of another TensorFlow"."""
        return tuple(op for op, groups in self.ops.items() if not groups)

    def kernels(self) -> Iterator[KernelDef]:
        """Every registration."""
        for op in self.ops:
            yield from self.of(op)

    def of(self, op: str) -> Iterator[KernelDef]:
        """The registrations of one op."""
        for group in self.ops.get(op, ()):
            yield from _expand(op, group, self.origin)


def read(path: Path) -> RegistryFile:
    """The registry in the file at ``path`` and its base; ValueError where that has a base too."""
    found = _decode(path)
    if found.base is None:
        return found
    ops = _base(path, found.base).ops | found.ops
    for op in found.removed:
        del ops[op]
    return msgspec.structs.replace(found, ops=ops)


def _decode(path: Path) -> RegistryFile:
    return msgspec.json.decode(path.read_bytes(), type=RegistryFile)


def _base(path: Path, name: str) -> RegistryFile:
    base = _decode(path.with_name(f"{name}.json"))
    if base.base is not None:
        raise ValueError(f"{path.name} has the base {name}, which has one itself")
    return base


def write(path: Path, registry: RegistryFile) -> None:
    """The same bytes for the same content, one op a line; the base must be there already."""
    base = _base(path, registry.base).ops if registry.base else {}
    removed = tuple(sorted(base.keys() - registry.ops.keys()))
    head = msgspec.structs.asdict(msgspec.structs.replace(registry, ops={}, removed=removed))
    lines = [f"{_json(k)}: {_json(v)}," for k, v in head.items() if v or k not in _OPTIONAL]
    ops = [
        f"{_json(op)}: {_json([_said(group) for group in groups])}"
        for op, groups in sorted(registry.ops.items())
        if base.get(op) != groups
    ]
    text = "{\n" + "\n".join(lines) + '\n"ops": {\n' + ",\n".join(ops) + "\n}\n}\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def group(kernels: Iterable[KernelDef]) -> dict[str, tuple[Group, ...]]:
    """Registrations, in any order, as the groups of a file."""
    found: dict[str, dict[Group, list[tuple[str, ...]]]] = {}
    for k in kernels:
        key = Group(
            device=k.device,
            attrs=" ".join(name for name, _ in k.constraints),
            host_memory=k.host_memory,
            priority=k.priority,
            label=k.label,
            requires=k.requires,
        )
        row = tuple("+".join(values) for _, values in k.constraints)
        found.setdefault(k.op, {}).setdefault(key, []).append(row)
    return {
        op: tuple(
            sorted(
                (msgspec.structs.replace(key, rows=_merge(rows)) for key, rows in groups.items()),
                key=lambda group: _json(_said(group)),
            )
        )
        for op, groups in found.items()
    }


def _said(group: Group) -> dict[str, object]:
    """Without what is empty. (msgspec's ``omit_defaults`` compares identities, and an empty tuple
    is not the same object in every Python.)"""
    return {name: value for name, value in msgspec.structs.asdict(group).items() if value}


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=-1).decode()


def _expand(op: str, group: Group, origin: Origin) -> Iterator[KernelDef]:
    attrs = group.attrs.split()
    for row in group.rows:
        words = row.split(" ") if attrs else []
        columns = [
            [(attr, tuple(value.split("+"))) for value in word.split("|")]
            for attr, word in zip(attrs, words, strict=True)
        ]
        for constraints in product(*columns):
            yield KernelDef(
                op,
                group.device,
                constraints,
                group.host_memory,
                group.priority,
                group.label,
                origin,
                group.requires,
            )


def _merge(rows: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Fold rows that differ in one column, the last column first; duplicates are kept."""
    table: list[tuple[tuple[str, ...], ...]] = [
        tuple((value,) for value in row) for row in sorted(rows)
    ]
    width = len(table[0])
    for column in reversed(range(width)):
        folded: dict[tuple[tuple[str, ...], ...], list[str]] = {}
        spare: list[tuple[tuple[str, ...], ...]] = []
        for row in table:
            key = (*row[:column], (), *row[column + 1 :])
            values = folded.setdefault(key, [])
            if any(value in values for value in row[column]):
                spare.append(row)
            else:
                values += row[column]
        table = [
            (*key[:column], tuple(sorted(values)), *key[column + 1 :])
            for key, values in folded.items()
        ] + spare
    return tuple(sorted(" ".join("|".join(cell) for cell in row) for row in table))
