"""What a plugin registers a kernel for and refuses when the step runs: documented, each with its
source in limits.json."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec

from opcheck.graph import OpNode
from opcheck.targets import Target


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit of ``ops`` in ``versions`` of ``plugin``; ``says`` states it in a clause, and
    ``message`` is how the plugin's own error begins, or ends: tests look for it in every wheel.

    It is on the rank of the input number ``input`` (``most_dimensions``), or on the attribute
    ``attr``: the value it ``must_be``, or the dimensions, by letter as in a data format, along
    which it ``must_be_one``. ``grouped``: on the gradient of a filter that sees only a part of the
    channels.
    """

    plugin: str
    versions: str
    ops: tuple[str, ...]
    says: str
    message: str
    source: str
    input: int = 0
    most_dimensions: int | None = None
    attr: str = ""
    must_be: float | None = None
    must_be_one: str = ""
    grouped: bool = False

    def exceeded(self, op: OpNode) -> bool | None:
        """Whether ``op`` breaks it; ``None`` when its shape does not tell."""
        if self.most_dimensions is not None:
            shape = op.inputs[self.input].shape if self.input < len(op.inputs) else None
            return None if shape is None else len(shape) > self.most_dimensions
        if self.grouped:
            return _is_grouped(op)
        attrs = dict(op.attrs)
        value = attrs.get(self.attr)
        if self.must_be is not None:
            return isinstance(value, (int, float)) and abs(value - self.must_be) > 1e-6
        if not isinstance(value, tuple):
            return False
        layout = str(attrs.get("data_format", "")) or ("NDHWC" if len(value) == 5 else "NHWC")
        named = zip(layout, value, strict=False)
        return any(size != 1 for letter, size in named if letter in self.must_be_one)


def _is_grouped(op: OpNode) -> bool | None:
    """``op`` is the gradient of a filter, [spatial..., in channels / groups, out channels]."""
    layout = str(dict(op.attrs).get("data_format", "NHWC"))
    shapes = (op.inputs[0].shape, op.outputs[0].shape)
    if None in shapes:
        return None
    channels, of_a_group = shapes[0][layout.index("C")], shapes[1][-2]  # type: ignore[index]
    return None if None in (channels, of_a_group) else channels != of_a_group


def limits(target: Target) -> Mapping[str, tuple[Limit, ...]]:
    """The limits of a target by op type."""
    found: defaultdict[str, list[Limit]] = defaultdict(list)
    for limit in known():
        if target.is_among(limit.plugin, limit.versions):
            for op in limit.ops:
                found[op].append(limit)
    return {op: tuple(those) for op, those in found.items()}


@cache
def known() -> tuple[Limit, ...]:
    """All limits, of every plugin."""
    data = resources.files("opcheck.placement").joinpath("limits.json").read_bytes()
    return msgspec.json.decode(data, type=tuple[Limit, ...])
