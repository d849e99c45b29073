"""How a confined process is started."""

from __future__ import annotations

import sys
from pathlib import Path

import opcheck

# Not `-m`, which would put the current folder, perhaps that of a downloaded model, before Python's
# own modules.
_PROGRAM = """
import sys
sys.path = [place for place in sys.path if place] + [sys.argv.pop(1)]
from {module} import start
sys.exit(start())
"""


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs ``start`` of a module of opcheck, with this Python."""
    home = Path(opcheck.__file__).parents[1]
    return [sys.executable, "-c", _PROGRAM.format(module=module), str(home), *arguments]
