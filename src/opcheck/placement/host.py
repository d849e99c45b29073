"""Tells a kernel that keeps its data in host memory from one that only reads a shape there."""

from __future__ import annotations

from opcheck.graph import ArgDef, OpSignature
from opcheck.placement.placer import METADATA
from opcheck.targets import KernelDef

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
