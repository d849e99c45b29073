"""``opcheck doctor``: what is installed here, and what is missing for a check."""

from __future__ import annotations

import argparse
import platform
import shutil
from importlib.metadata import requires

from packaging.requirements import Requirement
from tabulate import tabulate

import opcheck
from opcheck import installed
from opcheck.cli.parser import Subparsers
from opcheck.emulator.compiler import find_compiler
from opcheck.errors import EmulatorError
from opcheck.formats.output import show

NAME = "doctor"
_EXTRAS = ("tf", "metal", "directml", "profile", "graph", "extract")
_PACKAGES = ("keras", "tf_keras", "tensorflow-metal", "tensorflow-directml-plugin")


def add(subparsers: Subparsers) -> None:
    text = "Show what is installed here. Exit code 2 when a check could not run."
    subparsers.add_parser(NAME, help="show what is installed here", description=text)


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - it takes none
    tensorflows = [name for name in installed.TENSORFLOWS if installed.version_of(name)]
    rows = [
        ("opcheck", opcheck.__version__),
        ("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}"),
        *((name, installed.version_of(name) or "") for name in tensorflows),
        *((name, installed.version_of(name) or "not installed") for name in _PACKAGES),
        ("targets without -t", ", ".join(installed.default_targets())),
        ("emulated devices", _emulated()),
    ]
    lines = tabulate(rows, tablefmt="plain", disable_numparse=True).splitlines()
    lines += ["", "Extras (pip install 'opcheck[NAME]') and what each would add here"]
    extras = [(f"  {name}", ", ".join(missing) or "nothing") for name, missing in _extras().items()]
    lines += tabulate(
        extras, tablefmt="plain", disable_numparse=True, preserve_whitespace=True
    ).splitlines()
    if not tensorflows:
        lines += ["", "No TensorFlow: `opcheck inspect` works, `opcheck check` does not."]
    show("\n".join(lines) + "\n")
    return 0 if tensorflows else 2


def _emulated() -> str:
    try:
        return f"are built with {shutil.which(find_compiler()[0])}"
    except EmulatorError as error:
        return f"none, verdicts are predicted: {error}"


def _extras() -> dict[str, list[str]]:
    """Per extra, the requirements that apply to this Python and system and are not met."""
    found: dict[str, list[str]] = {}
    for text in requires("opcheck") or ():
        requirement = Requirement(text)
        marker = str(requirement.marker or "")
        for extra in _EXTRAS:
            if f'extra == "{extra}"' not in marker and f"extra == '{extra}'" not in marker:
                continue
            missing = found.setdefault(extra, [])
            if requirement.marker and requirement.marker.evaluate({"extra": extra}):
                have = installed.version_of(requirement.name)
                if have is None or not requirement.specifier.contains(have, prereleases=True):
                    missing.append(f"{requirement.name}{requirement.specifier}")
    return found
