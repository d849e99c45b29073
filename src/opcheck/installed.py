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


def accelerator() -> str | None:
    """The target that this machine itself is, going by the plugin that is installed: its version
    and, on a Mac, the system's, such as ``metal@1.2.0,macos=14``."""
    for plugin, distribution in _PLUGINS.items():
        version = version_of(distribution)
        if version is None:
            continue
        if plugin != "metal":
            return f"{plugin}@{version}"
        if platform.system() == "Darwin":
            return f"{plugin}@{version}{_mac()}"
    return None


def _mac() -> str:
    """What of a Mac tells its kernels apart."""
    major = platform.mac_ver()[0].partition(".")[0]
    # A Python built for an old system is told 10.16 by every newer one.
    system = f",macos={major}" if major.isdigit() and int(major) > 10 else ""
    return system + (",arch=x86_64" if platform.machine() == "x86_64" else "")


def default_targets() -> tuple[str, ...]:
    """Without ``-t``: this machine's own accelerator, of the version that is installed; otherwise
    both plugins' newest versions."""
    own = accelerator()
    return (own,) if own else ("metal", "directml")
