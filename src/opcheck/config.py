"""The options of a check and where they come from.

Defaults < ``[tool.opcheck]`` of the nearest pyproject.toml < ``OPCHECK_*`` < the command line.
Every source is checked on its own, so a message can name the one that is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from opcheck.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

StepChoice = Literal["inference", "training", "both"]
EvidenceChoice = Literal["auto", "predicted", "traced"]
FailOn = Literal["never", "error", "warning"]


class Options(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """What a check is asked to do. The file's and the command line's names have dashes.

    ``timeout`` is in seconds. ``trust`` lets Lambda code from the model file run;
    ``custom_objects`` are modules of the user's own to import.
    """

    targets: tuple[str, ...] = ()
    step: StepChoice = "both"
    evidence: EvidenceChoice = "auto"
    fail_on: FailOn = "error"
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 2
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    custom_objects: tuple[str, ...] = ()
    trust: bool = False


KEYS = tuple(field.encode_name for field in msgspec.structs.fields(Options))
_LISTS = frozenset({"targets", "custom-objects"})

_COMMAND_LINE_ONLY = frozenset({"trust"})
"""A project one has just cloned must not decide that code from its model files may run."""

_PREFIX = "OPCHECK_"
_OTHER_VARIABLES = frozenset({"OPCHECK_CACHE_DIR", "OPCHECK_FIXTURES_CACHE"})
"""Variables that other parts read and that are no options of a check."""


def load(
    command_line: Mapping[str, object], *, start: Path, environment: Mapping[str, str]
) -> Options:
    """The options in force.

    ``command_line`` holds only what was given there. ``start`` is the folder from which
    pyproject.toml is looked for, upwards. Raises UsageError.
    """
    merged: dict[str, object] = {}
    pyproject = _nearest(start)
    if pyproject is not None:
        merged |= _checked(_table(pyproject), f"[tool.opcheck] in {pyproject}", shared=True)
    merged |= _checked(_variables(environment), "the environment", shared=True, prefix=_PREFIX)
    merged |= _checked(command_line, "the command line", shared=False)
    return msgspec.convert(merged, Options, strict=False)


def _checked(
    values: Mapping[str, object], origin: str, *, shared: bool, prefix: str = ""
) -> Mapping[str, object]:
    for key in values:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            raise UsageError(
                f"{_spelled(key, prefix)} is not an option ({origin}).",
                hint=f"Did you mean {_spelled(near[0], prefix)}?"
                if near
                else f"Options: {', '.join(KEYS)}.",
            )
        if shared and key in _COMMAND_LINE_ONLY:
            raise UsageError(
                f"{_spelled(key, prefix)} can be given on the command line only ({origin}).",
                hint="It lets a model file run code, which each run has to ask for itself.",
            )
        try:
            msgspec.convert({key: values[key]}, Options, strict=not prefix)
        except msgspec.ValidationError as error:
            what = str(error).split(" - at ")[0]
            raise UsageError(f"{_spelled(key, prefix)}: {what} ({origin}).") from None
    return values


def _spelled(key: str, prefix: str) -> str:
    return prefix + key.upper().replace("-", "_") if prefix else key


def _nearest(start: Path) -> Path | None:
    folders = (start, *start.parents)
    return next((p for p in (f / "pyproject.toml" for f in folders) if p.is_file()), None)


def _table(path: Path) -> Mapping[str, object]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    tool = document.get("tool", {})
    table = tool.get("opcheck", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"[tool.opcheck] in {path} is not a table.")
    return table


def _variables(environment: Mapping[str, str]) -> Mapping[str, object]:
    """Lists are split at white space: ``OPCHECK_TARGETS="metal@1.2.0,macos=12 directml"``."""
    found: dict[str, object] = {}
    for name, value in environment.items():
        if name.startswith(_PREFIX) and name not in _OTHER_VARIABLES:
            key = name.removeprefix(_PREFIX).lower().replace("_", "-")
            found[key] = value.split() if key in _LISTS else value
    return found
