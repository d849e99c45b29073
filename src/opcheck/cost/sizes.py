"""How large tensors are: elements and bytes from dtype and shape."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import prod

from opcheck.graph import Shape, TensorSpec

HANDLES = frozenset({"resource", "variant"})
"""A handle stands for a variable or a list; it is passed on the host and has no size itself."""

# Bytes per element (tensorflow/core/framework/types.cc: DataTypeSize); strings have no fixed size.
_WIDTH = {
    **dict.fromkeys(("bool", "int8", "uint8", "qint8", "quint8", "int4", "uint4"), 1),
    **dict.fromkeys(("float8_e5m2", "float8_e4m3fn"), 1),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16", "qint16", "quint16"), 2),
    **dict.fromkeys(("float32", "int32", "uint32", "qint32"), 4),
    **dict.fromkeys(("float64", "int64", "uint64", "complex64"), 8),
    "complex128": 16,
}


def is_handle(tensor: TensorSpec) -> bool:
    return _plain(tensor) in HANDLES


def elements(tensor: TensorSpec) -> int | None:
    """How many, ``None`` when a dimension or the rank is unknown."""
    return _elements(tensor.shape)


@lru_cache(maxsize=65536)  # a step has few different shapes
def _elements(shape: Shape) -> int | None:
    if shape is None or None in shape:
        return None
    return prod(size for size in shape if size is not None)


def size(tensor: TensorSpec) -> int | None:
    """Bytes; a handle has none. ``None`` when the shape is unknown, or the dtype has no width."""
    if is_handle(tensor):
        return 0
    count, width = elements(tensor), _WIDTH.get(_plain(tensor))
    return None if count is None or width is None else count * width


def total(tensors: Iterable[TensorSpec]) -> int | None:
    """Bytes of all of them; ``None`` when one is unknown."""
    found = 0
    for tensor in tensors:
        one = size(tensor)
        if one is None:
            return None
        found += one
    return found


def largest(tensors: Iterable[TensorSpec]) -> int | None:
    """Elements of the largest that is no handle; ``None`` when one is unknown or there is none."""
    found = [elements(tensor) for tensor in tensors if not is_handle(tensor)]
    known = [count for count in found if count is not None]
    return max(known) if known and len(known) == len(found) else None


def _plain(tensor: TensorSpec) -> str:
    return tensor.dtype.removesuffix("_ref")
