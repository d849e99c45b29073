"""Tells a kernel that keeps its data in host memory from one that only reads a shape there, and
the types with which an op would compute on the accelerator."""

from __future__ import annotations

from opcheck.graph import ArgDef, OpNode, OpSignature
from opcheck.placement.placer import METADATA
from opcheck.placement.types import Types
from opcheck.targets import KernelDef, Target
from opcheck.targets.support import accelerated

# In host memory by nature, on every device.
_NO_NUMBERS = frozenset({"resource", "string", "variant"})


def keeps_data_on_host(kernel: KernelDef, signature: OpSignature | None) -> bool:
    """Whether the kernel, though placed on the accelerator, computes in host memory.

    All its outputs leave there. And data of the same type attribute enters there (``Pack``: its
    ``values`` and its ``output``), or the outputs have a type of their own and all data enters
    there (``NotEqual`` on int32). What only looks at a shape computes nothing; shapes, axes and
    sizes have type attributes of their own and do not count.
    """
    host = set(kernel.host_memory)
    if signature is None or not signature.outputs:
        return False
    if not host.issuperset(arg.name for arg in signature.outputs):
        return False
    leaving = {_type(arg) for arg in signature.outputs} - {""}
    typed = [arg for arg in signature.inputs if _type(arg)]
    entering = [arg for arg in typed if arg.name in host]
    if leaving:
        return not leaving.isdisjoint(map(_type, entering))
    made = {arg.dtype for arg in signature.outputs}
    made_of_data = signature.op not in METADATA and made.isdisjoint(_NO_NUMBERS)
    return made_of_data and bool(typed) and entering == typed


def _type(arg: ArgDef) -> str:
    return arg.type_attr or arg.type_list_attr


def computes_there(target: Target, op: str, signature: OpSignature | None) -> bool:
    """Whether the accelerator has a kernel for some types of ``op`` that computes there."""
    return any(not keeps_data_on_host(kernel, signature) for kernel in accelerated(target, op))


def types_instead(op: OpNode, target: Target, signature: OpSignature | None) -> Types:
    """By type attribute, the types with which ``op``, all else alike, would compute there."""
    registry, device = target.registry, target.device_type
    registered = registry.dtypes(op.op_type, device)
    attrs: dict[str, object] = {**dict(op.attrs), **dict(op.dtypes)}

    def computes(attr: str, dtype: str) -> bool:
        kernel = registry.match(op.op_type, device, {**attrs, attr: dtype})
        return kernel is not None and not keeps_data_on_host(kernel, signature)

    found = (
        (attr, tuple(dtype for dtype in registered.get(attr, ()) if computes(attr, dtype)))
        for attr, _ in op.dtypes
    )
    return tuple((attr, types) for attr, types in found if types)
