"""opcheck: which ops of a Keras model leave the accelerator, and why.

The names in ``__all__`` are the public API. They are loaded when first used, so importing opcheck
imports neither TensorFlow nor anything else that takes time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opcheck.api import Report, check, inspect
    from opcheck.config import Ignore, Options
    from opcheck.errors import OpcheckError
    from opcheck.report import GateVerdict, Inspection
    from opcheck.rules import Finding
    from opcheck.testing import (
        assert_layer_on_accelerator,
        assert_no_fallback,
        assert_supported,
    )

__all__ = [
    "Finding",
    "GateVerdict",
    "Ignore",
    "Inspection",
    "OpcheckError",
    "Options",
    "Report",
    "__version__",
    "assert_layer_on_accelerator",
    "assert_no_fallback",
    "assert_supported",
    "check",
    "inspect",
]

__version__ = "0.1.0"

_HOME = {
    "Finding": "opcheck.rules",
    "GateVerdict": "opcheck.report",
    "Ignore": "opcheck.config",
    "Inspection": "opcheck.report",
    "OpcheckError": "opcheck.errors",
    "Options": "opcheck.config",
    "Report": "opcheck.api",
    "assert_layer_on_accelerator": "opcheck.testing",
    "assert_no_fallback": "opcheck.testing",
    "assert_supported": "opcheck.testing",
    "check": "opcheck.api",
    "inspect": "opcheck.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'opcheck' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
