"""TensorFlow's ``DataType`` numbers (core/framework/types.proto) as ``DType.name``."""

from __future__ import annotations

from opcheck.errors import ExtractError

_NAMES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string",
    8: "complex64", 9: "int64", 10: "bool", 11: "qint8", 12: "quint8", 13: "qint32",
    14: "bfloat16", 15: "qint16", 16: "quint16", 17: "uint16", 18: "complex128", 19: "float16",
    20: "resource", 21: "variant", 22: "uint32", 23: "uint64", 24: "float8_e5m2",
    25: "float8_e4m3fn", 26: "float8_e4m3fnuz", 27: "float8_e4m3b11fnuz", 28: "float8_e5m2fnuz",
    29: "int4", 30: "uint4", 31: "int2", 32: "uint2",
}  # fmt: skip


def dtype_name(number: int) -> str:
    """``float32`` for 1; 100 more is the reference type of the same name."""
    if number > 100:
        return dtype_name(number - 100) + "_ref"
    if number not in _NAMES:
        raise ExtractError(f"The library registers a kernel for the unknown data type {number}.")
    return _NAMES[number]
