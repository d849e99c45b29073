"""These tests need the ``extract`` extra; those marked ``wheels`` also download."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "wheels: downloads published wheels (600 MB)")
    config.addinivalue_line("markers", "every_core: downloads every TensorFlow (2.2 GB, minutes)")
    config.addinivalue_line(
        "markers", "live: installs what it compares with (a quarter of an hour)"
    )
