"""A small reader of the protobuf wire format (https://protobuf.dev/programming-guides/encoding).

The protobuf runtime is not used: its version would have to agree with TensorFlow's. Messages are
read one level at a time, so nesting in the file cannot make anything recurse.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10
_MAX_KEY = 2**32 - 1


class WireError(ValueError):
    """The bytes are not a protobuf message."""


class Field(NamedTuple):
    """One field: its number, and its payload when it is length-delimited, else its integer."""

    number: int
    payload: memoryview | None
    integer: int

    @property
    def message(self) -> memoryview:
        """The payload of a message, string or bytes field. Raises WireError for another kind."""
        if self.payload is None:
            raise WireError(f"field {self.number} is not length-delimited")
        return self.payload

    @property
    def text(self) -> str:
        """A string field. Raises WireError when it is none."""
        return _decoded(self.message, self.number)


def fields(data: memoryview) -> Iterator[Field]:
    """The fields of one message, in the order of the file. Raises WireError."""
    position, end = 0, len(data)
    while position < end:
        key, position = varint(data, position)
        number, wire = key >> 3, key & 7
        if number == 0 or key > _MAX_KEY:  # of more, some readers take the lower bits
            raise WireError(f"field number {number}")
        if wire == _VARINT:
            integer, position = varint(data, position)
            yield Field(number, None, integer)
            continue
        if wire == _BYTES:
            size, position = varint(data, position)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise WireError(f"wire type {wire}")
        if size > end - position:
            raise WireError("a field reaches past the end")
        payload = data[position : position + size]
        position += size
        if wire == _BYTES:
            yield Field(number, payload, 0)
        else:
            yield Field(number, None, int.from_bytes(payload, "little"))


def messages(data: memoryview, number: int) -> Iterator[memoryview]:
    """The length-delimited fields with this number."""
    return (field.message for field in fields(data) if field.number == number)


def message(data: memoryview, number: int) -> memoryview:
    """The only field with this number, empty when there is none.

    Raises WireError when it is there twice: readers take the last one or merge them, writers do
    not write it, and the file may be made to be read in two ways.
    """
    found = list(islice(messages(data, number), 2))
    if len(found) > 1:
        raise WireError(f"field {number} is there twice")
    return found[0] if found else memoryview(b"")


def text(data: memoryview, number: int) -> str:
    """The same of a string field."""
    return _decoded(message(data, number), number)


def _decoded(payload: memoryview, number: int) -> str:
    try:
        return str(payload, "utf-8")
    except UnicodeDecodeError as error:
        raise WireError(f"field {number} is not text") from error


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """The number at ``position``, and the position after it. Raises WireError."""
    value = 0
    for shift in range(_MAX_VARINT):
        if position >= len(data):
            raise WireError("cut short inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, position
    raise WireError("a number of more than ten bytes")
