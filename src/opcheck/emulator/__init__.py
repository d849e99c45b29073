"""An emulated accelerator: a real step placed and run as if on the target, on any Linux machine.

`load` builds (once) and loads the pluggable device of ``device.cc`` with a target's kernels.
docs/emulator.md tells what it can and cannot tell.
"""

from opcheck.emulator.build import build
from opcheck.emulator.load import load, registered

__all__ = ["build", "load", "registered"]
