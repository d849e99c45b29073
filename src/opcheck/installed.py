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


_PLUGINS = {"metal": "tensorflow-metal", "directml": "tensorflow-directml-plugin"}


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, ``None`` when it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def accelerator_target() -> str | None:
    """The target that this machine itself is, going by the plugin that is installed."""
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    mine = [plugin for plugin, distribution in _PLUGINS.items() if version_of(distribution)]
    return next((plugin for plugin in mine if apple or plugin != "metal"), None)


def default_targets() -> tuple[str, ...]:
    """Without ``-t``: this machine's own accelerator, of the version that is installed; otherwise
    both plugins' newest versions."""
    own = accelerator_target()
    return (f"{own}@{version_of(_PLUGINS[own])}",) if own else ("metal", "directml")
