"""The public API."""

from __future__ import annotations

import pytest

import opcheck


def test_every_public_name_is_there() -> None:
    assert opcheck.__all__ == sorted(opcheck.__all__)
    assert dir(opcheck) == sorted(opcheck.__all__)
    for name in opcheck.__all__:
        assert getattr(opcheck, name) is not None


def test_nothing_else_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        opcheck.nonsense  # noqa: B018
