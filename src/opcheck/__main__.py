"""``python -m opcheck`` and the ``opcheck`` command."""

from __future__ import annotations

from opcheck.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
