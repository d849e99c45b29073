"""opcheck: which ops of a Keras model leave the accelerator, and why.

The names in ``__all__`` are the public API. They are loaded when first used, so importing opcheck
imports neither TensorFlow nor anything else that takes time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opcheck.config import Options
    from opcheck.errors import OpcheckError
    from opcheck.pipeline import check, inspect
    from opcheck.report import GateVerdict, Inspection, Report
    from opcheck.rules import Finding

__all__ = [
    "Finding",
    "GateVerdict",
    "Inspection",
    "OpcheckError",
    "Options",
    "Report",
    "__version__",
    "check",
    "inspect",
]

__version__ = "0.1.0"

_HOME = {
    "Finding": "opcheck.rules",
    "GateVerdict": "opcheck.report",
    "Inspection": "opcheck.report",
    "OpcheckError": "opcheck.errors",
    "Options": "opcheck.config",
    "Report": "opcheck.report",
    "check": "opcheck.pipeline",
    "inspect": "opcheck.pipeline",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'opcheck' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
