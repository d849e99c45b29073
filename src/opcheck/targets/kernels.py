"""Kernel registrations and TensorFlow's own way of matching a node against them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import msgspec
from packaging.specifiers import SpecifierSet

Origin = Literal["plugin", "core"]
Needs = tuple[tuple[str, str], ...]
"""What a system must have, such as ``("macos", ">=13")``."""
DEFAULT = "DEFAULT"
"""TensorFlow's ``DEVICE_DEFAULT``: a kernel for every device with none of its own."""


class KernelDef(msgspec.Struct, frozen=True, gc=False):  # 11,000 of them in a target
    """One registration, as in TensorFlow's ``KernelDef`` (core/framework/kernel_def.proto).

    ``constraints`` lists, per attribute, what it may be: dtype names, or the text of a string,
    integer or boolean for the few constraints that are not on a type.
    """

    op: str
    device: str
    constraints: tuple[tuple[str, tuple[str, ...]], ...]
    host_memory: tuple[str, ...]
    priority: int
    label: str
    origin: Origin
    requires: Needs

    def lacks(self, macos: str | None) -> Needs:
        """What it requires and a system with that macOS, if any, does not have."""
        have = {"macos": macos}
        return tuple(
            (what, versions)
            for what, versions in self.requires
            if (version := have.get(what)) is None
            or not SpecifierSet(versions).contains(version, prereleases=True)
        )

    def matches(self, attrs: Mapping[str, object]) -> bool:
        """Every constrained attribute is there and allowed; in a list, every element is.

        This is ``KernelAttrsMatch`` (core/framework/kernel_def_util.cc), which reports an
        absent attribute as an error: no valid node lacks one, so here it is no match.
        """
        return all(
            name in attrs and _allows(allowed, attrs[name]) for name, allowed in self.constraints
        )


class KernelRegistry:
    """The kernels of one target, its conditions already applied."""

    def __init__(self, kernels: Iterable[KernelDef]) -> None:
        by_op: dict[str, list[KernelDef]] = {}
        for kernel in kernels:
            by_op.setdefault(kernel.op, []).append(kernel)
        self._by_op = MappingProxyType({op: tuple(found) for op, found in by_op.items()})
        self._ops = frozenset(by_op)
        self._constrained: dict[str, frozenset[str]] = {}

    def __len__(self) -> int:
        return sum(len(found) for found in self._by_op.values())

    def ops(self) -> frozenset[str]:
        """Every op with a kernel on some device."""
        return self._ops

    def kernels(self, op: str, device: str | None = None) -> tuple[KernelDef, ...]:
        """The registrations of ``op``: those of exactly ``device``, or all of them."""
        found = self._by_op.get(op, ())
        return found if device is None else tuple(k for k in found if k.device == device)

    def constrained(self, op: str) -> frozenset[str]:
        """The attributes that the kernels of ``op`` look at."""
        if op not in self._constrained:
            names = (name for k in self._by_op.get(op, ()) for name, _ in k.constraints)
            self._constrained[op] = frozenset(names)
        return self._constrained[op]

    def has_op(self, op: str, device: str) -> bool:
        """Whether some kernel, of ``device`` or device-generic, could serve ``op`` there."""
        return any(k.device in (device, DEFAULT) for k in self._by_op.get(op, ()))

    def matches(
        self, op: str, device: str, attrs: Mapping[str, object], label: str = ""
    ) -> tuple[KernelDef, ...]:
        """The kernels among which TensorFlow would choose: ``FindKernelRegistration``.

        A type attribute is a dtype name, a list(type) attribute a tuple of them. The device's
        own kernels come first, those of the highest priority; only when none of them matches
        are the ``DEFAULT`` ones tried (core/framework/op_kernel.cc). More than one kernel left
        is a defect of the registry: TensorFlow refuses the node ("Multiple OpKernel
        registrations match NodeDef").
        """
        for kind in (device, DEFAULT):
            found = [k for k in self.kernels(op, kind) if k.label == label and k.matches(attrs)]
            if found:
                best = max(k.priority for k in found)
                # Among the DEFAULT ones TensorFlow does not look at the priority.
                return tuple(k for k in found if kind == DEFAULT or k.priority == best)
        return ()

    def match(
        self, op: str, device: str, attrs: Mapping[str, object], label: str = ""
    ) -> KernelDef | None:
        """The kernel TensorFlow would run, or None; of several (see `matches`) the first."""
        return next(iter(self.matches(op, device, attrs, label)), None)

    def dtypes(self, op: str, device: str) -> dict[str, tuple[str, ...]]:
        """Per constrained attribute, what the kernels on ``device`` allow, for messages.

        Each attribute on its own, in the order in which people list dtypes; device-generic
        kernels count.
        """
        allowed: dict[str, set[str]] = {}
        for kernel in self.kernels(op, device) + self.kernels(op, DEFAULT):
            for attr, values in kernel.constraints:
                allowed.setdefault(attr, set()).update(values)
        return {attr: tuple(sorted(values, key=reading_order)) for attr, values in allowed.items()}


_FIRST = ("float32", "float16", "bfloat16", "float64")


def reading_order(value: str) -> tuple[int, str]:
    """The key by which dtypes are sorted for a reader."""
    return (_FIRST.index(value) if value in _FIRST else len(_FIRST), value)


def _allows(allowed: tuple[str, ...], value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_text(v) in allowed for v in value)
    return _text(value) in allowed


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode() if isinstance(value, bytes) else str(value)
