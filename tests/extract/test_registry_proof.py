"""The newest core's part of the record is made again, in one emulation; the rest is nightly."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof_record import recorded
from registry_proof import prove

from opcheck.extract.manifest import manifest


@pytest.mark.wheels
def test_the_newest_core_is_as_recorded(tmp_path: Path) -> None:
    row = next(row for row in manifest().core if row.name == "tensorflow-2.18.1-macos-arm64")
    assert prove(row, tmp_path) == recorded()[row.name]
