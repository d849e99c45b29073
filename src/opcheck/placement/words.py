"""The words of a placement's reason."""

from __future__ import annotations

from collections.abc import Sequence

from opcheck.graph import OpNode
from opcheck.placement.limits import Limit
from opcheck.placement.types import Reason, Types
from opcheck.targets import Target
from opcheck.targets.support import accelerated
from opcheck.targets.versions import Offer, systems, systems_with, versions_with

_HANDLES = frozenset({"resource", "variant"})


def no_kernel(op: OpNode, target: Target) -> Reason:
    """There is no kernel for ``op`` on the accelerator, whatever its types, that computes there."""
    there = target.registry.has_op(op.op_type, target.device_type)
    but = f" that computes on the {target.device_type}" if there else ""
    return Reason(
        "no-kernel", f"{plugin(target)} registers no {op.op_type}{but}{elsewhere(op, target)}"
    )


def other_types(op: OpNode, target: Target, instead: Types) -> Reason:
    """There is one, but for other types: ``instead``, where a single attribute is at fault."""
    origins = {kernel.origin for kernel in accelerated(target, op.op_type)}
    who = plugin(target) if "plugin" in origins else core(target)
    if not instead:
        return Reason(
            "dtype",
            f"{who} registers {op.op_type}, but not for {with_dtypes(op)}{elsewhere(op, target)}",
        )
    attr, types = instead[0]
    return Reason(
        "dtype",
        f"{op.op_type} with {attr}={listing(_tuple(dict(op.dtypes)[attr]))}: {who} registers "
        f"{op.op_type} for {listing(types)}{elsewhere(op, target)}",
    )


def elsewhere(op: OpNode, target: Target) -> str:
    """Which systems, or other versions of the plugin, have what is missing here."""
    attrs: dict[str, object] = {**dict(op.attrs), **dict(op.dtypes)}
    needs = systems_with(target, op.op_type, attrs)
    if needs:
        return f"; it does on {systems(needs)}"
    offers = versions_with(target, op.op_type, attrs)
    return f" (versions that do: {', '.join(map(_offered, offers))})" if offers else ""


def _offered(offer: Offer) -> str:
    span = offer.span
    if span.first == span.last:
        versions = span.first
    elif span.newest:
        versions = f"{span.first} and later"
    else:
        versions = f"{span.last} and earlier" if span.oldest else f"{span.first} to {span.last}"
    return f"{versions} on {systems(offer.needs)}" if offer.needs else versions


def over_limit(limit: Limit, target: Target) -> Reason:
    return Reason(
        "runtime-limit", f"{plugin(target)} has a kernel, which refuses this: {limit.says}"
    )


def near_limit(limit: Limit, op: OpNode) -> Reason:
    name = op.inputs[limit.input].name if limit.input < len(op.inputs) else "its input"
    return Reason("runtime-limit", f"{limit.says}, and the rank of {name} is not known")


def refused(reason: Reason, target: Target) -> Reason:
    """Why an op fails without soft placement that ``reason`` would put on the CPU."""
    return Reason(
        "no-soft-placement",
        f"the model asks for {target.device_type} by name, soft placement is off, and: "
        f"{reason.message}",
    )


def _tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def with_dtypes(op: OpNode) -> str:
    """``AddV2 with T=float32``; attributes that only name handles say nothing."""
    parts = [
        f"{attr}={listing(tuple(dict.fromkeys(_tuple(dtype))))}"
        for attr, dtype in op.dtypes
        if set(_tuple(dtype)) - _HANDLES
    ]
    return f"{op.op_type} with {', '.join(parts)}" if parts else op.op_type


def listing(names: Sequence[str], most: int = 8) -> str:
    shown = list(names[:most])
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def plugin(target: Target) -> str:
    return f"{target.distribution or target.plugin} {target.version}"


def core(target: Target) -> str:
    return f"TensorFlow {target.tensorflow}"
