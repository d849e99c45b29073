"""The string attributes of an HDF5 file's root group, read without the HDF5 library.

Keras keeps a model's configs there. The library costs 30 MB and 0.1 s, and is a large surface for a
hostile file. This reads the layout that h5py writes by default (superblock 0, object header 1,
old-style root group); for any other the answer is None, and the caller asks h5py.

Layout: HDF5 File Format Specification 3.0, sections II.A, III.D, III.E, IV.A.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_SIGNATURE = b"\x89HDF\r\n\x1a\n\0"  # followed by the superblock's version, 0
_SIZES = b"\x08\x08"  # of offsets and of lengths
_ATTRIBUTE, _CONTINUATION, _SYMBOL_TABLE = 0x0C, 0x10, 0x11
# Messages of new-style groups and of attributes kept elsewhere: left to h5py.
_UNUSUAL = frozenset({0x02, 0x06, 0x15})
_FIXED_STRING, _VARIABLE_LENGTH = 3, 9
_MAX_HEADER = 4 * 2**20  # bytes; an attribute in the header is at most 64 KB
_MAX_OBJECTS = 10_000  # in one heap collection; h5py fills one with a few strings


class _UnusualError(ValueError):
    """Not the layout that h5py writes by default, or damaged."""


def root_attributes(file: BinaryIO, names: frozenset[str], limit: int) -> dict[str, str] | None:
    """The scalar string attributes among ``names``; "" for one of them that is something else.

    None when the file has another layout, is damaged, or holds a string longer than ``limit``.
    """
    try:
        return dict(_attributes(file, names, limit))
    except (struct.error, ValueError, IndexError, OverflowError):
        return None


def _attributes(file: BinaryIO, names: frozenset[str], limit: int) -> Iterator[tuple[str, str]]:
    head = _at(file, 0, 96)
    end, root = struct.unpack_from("<16xQ16xQ", head, 24)
    if not head.startswith(_SIGNATURE) or head[13:15] != _SIZES or end > file.seek(0, 2):
        raise _UnusualError
    kinds = set()
    for kind, flags, body in _messages(file, root):
        kinds.add(kind)
        if kind in _UNUSUAL:
            raise _UnusualError
        if kind == _ATTRIBUTE:
            if flags & 2 or body[0] not in (1, 2, 3):  # stored elsewhere and shared
                raise _UnusualError
            name, datatype, dataspace, data = _parts(body)
            if name in names:
                yield name, _string(file, datatype, dataspace, data, limit)
    if _SYMBOL_TABLE not in kinds:
        raise _UnusualError


def _messages(file: BinaryIO, header: int) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and body of every message of a version 1 object header."""
    version, size = struct.unpack("<B7xI4x", _at(file, header, 16))
    if version != 1:
        raise _UnusualError
    blocks, total = [(header + 16, size)], 0
    for start, length in blocks:  # grows while it is walked
        total += length + 16
        if total > _MAX_HEADER:
            raise _UnusualError
        block, position = _at(file, start, length), 0
        while position + 8 <= length:
            kind, size, flags = struct.unpack_from("<HHB", block, position)
            body = block[position + 8 : position + 8 + size]
            position += 8 + size
            if len(body) < size:
                raise _UnusualError
            yield kind, flags, body
            if kind == _CONTINUATION:
                blocks.append(struct.unpack_from("<QQ", body))


def _parts(body: bytes) -> tuple[str, bytes, bytes, bytes]:
    """Name, datatype, dataspace and data of an attribute message."""
    version, flags, *sizes = struct.unpack_from("<BBHHH", body)
    if version > 1 and flags:  # a shared datatype or dataspace
        raise _UnusualError
    position, parts = 9 if version == 3 else 8, []
    for size in sizes:
        parts.append(body[position : position + size])
        position += size if version > 1 else (size + 7) // 8 * 8
    name = parts[0].split(b"\0")[0].decode("utf-8")
    return name, parts[1], parts[2], body[position:]


def _string(file: BinaryIO, datatype: bytes, dataspace: bytes, data: bytes, limit: int) -> str:
    kind, size = struct.unpack_from("<B3xI", datatype)
    scalar = dataspace[1] == 0 and not (dataspace[0] == 2 and dataspace[3] != 0)
    if not scalar:
        return ""
    if kind & 15 == _FIXED_STRING:
        text = data[:size].rstrip(b"\0")
    elif kind & 15 == _VARIABLE_LENGTH and datatype[1] & 15 == 1:
        length, heap, index = struct.unpack_from("<IQI", data)
        if length > limit:
            raise _UnusualError
        text = _from_heap(file, heap, index)[:length]
    else:
        return ""
    return text.decode("utf-8")


def _from_heap(file: BinaryIO, heap: int, wanted: int) -> bytes:
    """An object of a global heap collection."""
    signature, size = struct.unpack("<4s4xQ", _at(file, heap, 16))
    if signature != b"GCOL":
        raise _UnusualError
    position = heap + 16
    for _ in range(_MAX_OBJECTS):
        if position + 16 > heap + size:
            break
        index, length = struct.unpack("<H6xQ", _at(file, position, 16))
        if index == wanted and index != 0:
            return _at(file, position + 16, length)
        if index == 0:
            break
        position += 16 + (length + 7) // 8 * 8
    raise _UnusualError


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    end = file.seek(0, 2)
    if offset + size > end:
        raise _UnusualError
    file.seek(offset)
    return file.read(size)
