"""These tests need the ``extract`` extra; those marked ``wheels`` also download."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "wheels: downloads published wheels (up to 500 MB)")
