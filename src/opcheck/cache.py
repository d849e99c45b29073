"""The folder for what is made or fetched once and kept."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_dir() -> Path:
    """OPCHECK_CACHE_DIR, or the user's cache folder; nothing is made."""
    given = os.environ.get("OPCHECK_CACHE_DIR")
    return Path(given) if given else user_cache_path("opcheck", appauthor=False)
