"""DirectML's run-time limits against the plugins themselves: each has its error message in exactly
the versions that it is said of."""

from __future__ import annotations

import zipfile
from functools import cache

import pytest
from packaging.specifiers import SpecifierSet

from opcheck.extract import wheels
from opcheck.extract.manifest import PluginRow, manifest
from opcheck.placement.limits import Limit, known

PLUGINS = [
    pytest.param(
        row,
        id=row.name,
        # The fork is a TensorFlow of its own.
        marks=pytest.mark.every_core if row.device is not None else (),
    )
    for row in manifest().plugin
    if any(limit.plugin == row.plugin for limit in known())
]


@cache
def content(row: PluginRow) -> tuple[bytes, ...]:
    wheel = wheels.fetch(row.wheel, row.sha256)
    with zipfile.ZipFile(wheel) as archive:
        return tuple(archive.read(name) for name in wheels.libraries(wheel))


@pytest.mark.wheels
@pytest.mark.parametrize("row", PLUGINS)
def test_a_limit_is_in_the_versions_that_it_is_said_of(row: PluginRow) -> None:
    wrong = [
        (limit.ops, limit.versions)
        for limit in known()
        if limit.plugin == row.plugin and _is_said(limit, row) != _is_there(limit, row)
    ]
    # What is said of the newest fork only may well be in older ones, which nobody looked at.
    assert row.device is not None or wrong == []
    assert all(_is_there(limit, row) for limit in known() if _is_said(limit, row))


def _is_said(limit: Limit, row: PluginRow) -> bool:
    said = SpecifierSet(limit.versions).contains(row.version, prereleases=True)
    return limit.plugin == row.plugin and said


def _is_there(limit: Limit, row: PluginRow) -> bool:
    return any(limit.message.encode() in library for library in content(row))
