"""The wire-format reader, on hand-made bytes."""

from __future__ import annotations

import pytest

from opcheck.loading.protobuf import WireError, fields, message, messages, text


def read(data: bytes) -> list[tuple[int, object]]:
    return [
        (field.number, field.integer if field.payload is None else bytes(field.payload))
        for field in fields(memoryview(data))
    ]


def test_every_wire_type() -> None:
    assert read(b"\x08\x96\x01") == [(1, 150)]
    assert read(b"\x12\x02hi") == [(2, b"hi")]
    assert read(b"\x1d\x01\x00\x00\x00") == [(3, 1)]
    assert read(b"\x21\x02" + b"\0" * 7) == [(4, 2)]
    assert read(b"") == []
    two = memoryview(b"\x12\x01a\x08\x01\x12\x01b")
    assert [bytes(m) for m in messages(two, 2)] == [b"a", b"b"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x08", b"\x08\xff", b"\x12\x05hi", b"\x1d\x01", b"\x0b", b"\x0c", b"\x0f", b"\x00\x01",
        b"\x8a\x80\x80\x80\x10\x01a",
        b"\x08" + b"\xff" * 11, b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ],
)  # fmt: skip
def test_damage(data: bytes) -> None:
    with pytest.raises(WireError):
        read(data)


def test_the_only_field() -> None:
    data = memoryview(b"\x0a\x01a\x12\x01b\x12\x01c")
    assert (text(data, 1), bytes(message(data, 1)), text(data, 3)) == ("a", b"a", "")
    with pytest.raises(WireError, match="field 2 is there twice"):
        text(data, 2)


def test_wrong_kind_of_field() -> None:
    (number,) = fields(memoryview(b"\x08\x01"))
    (text,) = fields(memoryview(b"\x12\x01\xff"))
    with pytest.raises(WireError):
        _ = number.message
    with pytest.raises(WireError):
        _ = text.text
