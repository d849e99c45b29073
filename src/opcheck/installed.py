"""What is installed here, read from package metadata: nothing is imported."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

TENSORFLOWS = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-macos",
    "tensorflow-intel",
    "tf-nightly",
)
"""The distributions that bring the ``tensorflow`` package."""


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, ``None`` when it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def accelerator_target() -> str | None:
    """The target that this machine itself is, going by the plugin that is installed."""
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    if apple and version_of("tensorflow-metal"):
        return "metal"
    if version_of("tensorflow-directml-plugin"):
        return "directml"
    return None


def default_targets() -> tuple[str, ...]:
    """Without ``-t``: this machine's own accelerator, otherwise both plugins' newest versions."""
    own = accelerator_target()
    return (own,) if own else ("metal", "directml")
