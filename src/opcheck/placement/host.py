"""Tells a kernel that keeps its data in host memory from one that only reads a shape there."""

from __future__ import annotations

from opcheck.graph import ArgDef, OpSignature
from opcheck.targets import KernelDef


def keeps_data_on_host(kernel: KernelDef, signature: OpSignature | None) -> bool:
    """Whether the kernel, though placed on the accelerator, computes in host memory.

    It does when data of one type attribute both enters and leaves through host memory (``Pack``:
    its ``values`` and its ``output``), or when an op without such inputs leaves all its outputs
    there (``Range``). Shapes, axes and sizes have dtypes of their own and do not count; resource
    and variant handles are in host memory by nature.
    """
    host = set(kernel.host_memory)
    if not host or signature is None:
        return False
    leaving = {_type(arg) for arg in signature.outputs if arg.name in host} - {""}
    entering = {_type(arg) for arg in signature.inputs if arg.name in host} - {""}
    staying = [arg for arg in signature.outputs if arg.name not in host]
    return bool(leaving & entering) and not staying


def _type(arg: ArgDef) -> str:
    return arg.type_attr or arg.type_list_attr
