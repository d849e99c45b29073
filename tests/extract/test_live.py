"""Emulation against the truth: a wheel that is installed and asked, in an environment of its own.

    nox -s extract -- -m live

Ten environments: a quarter of an hour. `registry_proof.py` does the same while it regenerates.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import live
import pytest

from opcheck.extract import wheels
from opcheck.extract.core import extract_core
from opcheck.extract.manifest import PluginRow, manifest
from opcheck.extract.plugin import extract_plugin

pytestmark = pytest.mark.live

PLUGINS = [row for row in manifest().plugin if row.plugin == "directml"]


@pytest.mark.parametrize("name", live.CORES)
def test_a_tensorflow_is_recovered_kernel_for_kernel(name: str, tmp_path: Path) -> None:
    """On every device, also those that no check asks for."""
    published = live.CORES[name]
    wheel = wheels.fetch(published.wheel, published.sha256)
    with wheels.unpacked(wheel, wheels.core_libraries(wheel)) as libraries:
        emulated = Counter(k for found in extract_core(libraries) for k in found.kernels)
    there = live.of_tensorflow(name, tmp_path)
    assert emulated - there == Counter()
    assert there - emulated == Counter()


@pytest.mark.parametrize("row", PLUGINS, ids=lambda row: row.name)
def test_a_plugin_is_recovered_kernel_for_kernel(row: PluginRow) -> None:
    wheel = wheels.fetch(row.wheel, row.sha256)
    with wheels.unpacked(wheel, [wheels.plugin_library(wheel)]) as (library,):
        emulated = Counter(extract_plugin(library).kernels)
        assert emulated == live.of_plugin(library, row.pairing[0].core)
