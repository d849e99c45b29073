"""Which layout of the optimizer switches a plugin wrote."""

from __future__ import annotations

import pytest

from opcheck.extract.plugin import OPTIMIZERS, _fields


@pytest.mark.parametrize(
    ("struct_size", "tensorflow", "count"),
    [
        (92, None, 19),  # it says so itself
        (88, "2.18.1", 18),
        (0, "2.10.0", 19),  # it does not: as the TensorFlow beside it reads it
        (0, "2.9.2", 18),
        (0, None, 0),  # unknown
        (40, "2.18.1", 0),
    ],
)
def test_the_layout(struct_size: int, tensorflow: str | None, count: int) -> None:
    fields = _fields(struct_size, tensorflow)
    assert len(fields) == count
    assert [f for f in OPTIMIZERS if f in fields] == list(fields)
