"""The options of a check and where they come from.

Defaults < the nearest opcheck.toml, or pyproject.toml with ``[tool.opcheck]`` < ``OPCHECK_*`` < the
command line. Every source is checked on its own, so a message can name the one that is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from opcheck.documents import content
from opcheck.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

StepChoice = Literal["inference", "training", "both"]
EvidenceChoice = Literal["auto", "predicted", "traced", "both"]
FailOn = Literal["never", "error", "warning"]


class Ignore(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """Findings that a team accepts, and why: one ``[[tool.opcheck.ignore]]``.

    ``code``, ``layer``, ``op`` (an op type) and ``target`` are patterns as in a shell, case and
    all; a finding must match each that is given. On the day after ``expires`` it no longer holds.
    """

    reason: Annotated[str, msgspec.Meta(min_length=1)]
    code: str | None = None
    layer: str | None = None
    op: str | None = None
    target: str | None = None
    expires: date | None = None

    @property
    def label(self) -> str:
        """``layer=encoder/* op=Einsum``."""
        given = ((k, getattr(self, k)) for k in ("code", "layer", "op", "target"))
        return " ".join(f"{key}={value}" for key, value in given if value is not None)


class Options(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """What a check is asked to do. The file's and the command line's names have dashes.

    The gate's limits hold for each step on each target: ``max_fallback_flops`` is the share (0 to
    1) of the step's FLOPs that may leave the accelerator, ``max_crossings`` how many tensors may be
    copied between host and device memory, ``max_host_bytes`` how many bytes those may have.

    ``allow_unknown`` lets ops pass whose placement is not known. ``baseline`` is a file of
    findings that are accepted. ``timeout`` is in seconds and ``memory`` in GiB, for
    TensorFlow's process. ``trust`` lets Lambda code from the model file run; ``custom_objects`` are
    modules of the user's own to import. With ``nearest`` the nearest known target stands in for one
    that is not known, and the report says so. Without ``soft_placement`` what TensorFlow would
    refuse to move to the CPU fails.

    ``inputs`` are the model's as ``name=shape:dtype``, for those that are not to be chosen;
    ``input_file`` is an .npz with their values. ``assume_shapes`` are, as ``layer=shape:dtype``,
    the outputs of layers that are not rebuilt. ``signature`` is the one of a SavedModel to check.
    """

    targets: tuple[str, ...] = ()
    step: StepChoice = "both"
    evidence: EvidenceChoice = "auto"
    fail_on: FailOn = "error"
    max_fallback_flops: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    max_crossings: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max_host_bytes: Annotated[int, msgspec.Meta(ge=0)] | None = None
    allow_unknown: bool = False
    ignore: tuple[Ignore, ...] = ()
    baseline: str | None = None
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 2
    inputs: tuple[str, ...] = ()
    input_file: str | None = None
    assume_shapes: tuple[str, ...] = ()
    signature: str | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    memory: Annotated[float, msgspec.Meta(gt=0)] | None = None
    custom_objects: tuple[str, ...] = ()
    nearest: bool = False
    soft_placement: bool = True
    trust: bool = False


KEYS = tuple(field.encode_name for field in msgspec.structs.fields(Options))
_LISTS = frozenset({"targets", "custom-objects", "inputs", "assume-shapes"})

_PATHS = frozenset({"baseline", "input-file"})

_WORDS = {
    "step": get_args(StepChoice),
    "evidence": get_args(EvidenceChoice),
    "fail-on": get_args(FailOn),
}

_PLAIN = {
    "of length >= 1": "that is not empty",
    "Object missing required field": "it lacks the key",
    "Invalid RFC3339 encoded date": "expires is no date like 2030-12-31",
    "Invalid enum value": "it cannot be",
    "`float`": "a number",
    "`int`": "a whole number",
    "`str`": "a text",
    "`array`": "a list",
    "`object`": "a table",
    "`bool`": "true or false",
    "`null`": "nothing",
    "<=": "of at most",
    ">=": "of at least",
    "> ": "above ",
}
"""What msgspec says -> what a person says."""

_TABLES = frozenset({"ignore"})
"""Too much for one word of an environment variable."""

_COMMAND_LINE_ONLY = frozenset({"trust"})
"""A project one has just cloned must not decide that code from its model files may run."""

_OWN_FILE = "opcheck.toml"
_PREFIX = "OPCHECK_"
_OTHER_VARIABLES = frozenset({"OPCHECK_CACHE_DIR", "OPCHECK_FIXTURES_CACHE"})
"""Variables that other parts read and that are no options of a check."""


def load(
    command_line: Mapping[str, object],
    *,
    start: Path | None,
    environment: Mapping[str, str],
    today: date | None = None,
) -> Options:
    """The options in force.

    ``command_line`` holds only what was given there. ``start`` is the folder from which
    opcheck.toml and pyproject.toml are looked for, upwards; ``None``: no file counts. Raises
    UsageError, also for an ignore that has expired ``today``.
    """
    merged: dict[str, object] = {}
    try:
        found = _nearest(start) if start is not None else None
    except OSError as error:  # a folder above that may not be looked into
        raise UsageError(
            f"{error.filename} cannot be read: {error.strerror}.",
            hint="--no-config looks for no configuration.",
        ) from error
    file = None
    if found is not None:
        file, document = found
        table, origin = _table(file, document)
        merged |= _relative_to(file.parent, _checked(table, origin, shared=True))
    merged |= _checked(_variables(environment), "the environment", shared=True, prefix=_PREFIX)
    merged |= _checked(command_line, "the command line", shared=False)
    options = msgspec.convert(merged, Options, strict=False)
    for ignore in options.ignore:
        if ignore.expires is not None and ignore.expires < (today or date.today()):
            raise UsageError(
                f"The ignore of {ignore.label} expired on {ignore.expires} ({file}): "
                f"{ignore.reason.rstrip('.')}.",
                hint="Mend what it hides, or give it a later date.",
            )
    return options


def _checked(
    values: Mapping[str, object], origin: str, *, shared: bool, prefix: str = ""
) -> Mapping[str, object]:
    _known(values, KEYS, origin, prefix)
    for key in values:
        if shared and key in _COMMAND_LINE_ONLY:
            raise UsageError(
                f"{_spelled(key, prefix)} can be given on the command line only ({origin}).",
                hint="It lets a model file run code, which each run has to ask for itself.",
            )
        if prefix and key in _TABLES:
            raise UsageError(f"{_spelled(key, prefix)} can be given in a file only ({origin}).")
        try:
            msgspec.convert({key: values[key]}, Options, strict=not prefix)
        except msgspec.ValidationError as error:
            _explain_ignore(values[key], origin)
            raise _wrong(_spelled(key, prefix), values[key], error, origin) from None
    for ignore in msgspec.convert(values.get("ignore", ()), tuple[Ignore, ...]):
        if not (ignore.code or ignore.layer or ignore.op):
            raise UsageError(
                f"An ignore needs code, layer or op, so that it hides no more than it says "
                f"({origin}): {ignore.reason}"
            )
    return values


def validate(options: Options) -> None:
    """Raises UsageError for what Python code put into options and no file could."""
    for key, value in msgspec.to_builtins(options).items():
        try:
            msgspec.convert({key: value}, Options)
        except msgspec.ValidationError as error:
            raise _wrong(key, value, error, "the options") from None


def _wrong(name: str, value: object, error: msgspec.ValidationError, origin: str) -> UsageError:
    """msgspec's sentence in plain words, and for one of several words the nearest."""
    what = str(error).split(" - at ")[0]
    for term, plain in _PLAIN.items():
        what = what.replace(term, plain)
    words = _WORDS.get(name.removeprefix(_PREFIX).lower().replace("_", "-"), ())
    near = get_close_matches(str(value), words, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"It is {', '.join(words)}." if words else None
    return UsageError(f"{name}: {what[0].lower()}{what[1:]} ({origin}).", hint=hint)


def _known(values: Iterable[str], keys: Collection[str], origin: str, prefix: str = "") -> None:
    """Raises UsageError for a name that is none, with the nearest that is one."""
    for key in values:
        if key in keys:
            continue
        near = get_close_matches(key, keys, n=1)
        raise UsageError(
            f"{_spelled(key, prefix)} is not an option ({origin}).",
            hint=f"Did you mean {_spelled(near[0], prefix)}?"
            if near
            else f"Options: {', '.join(keys)}.",
        )


def _explain_ignore(value: object, origin: str) -> None:
    """A misspelt key of an ignore, said as for any other."""
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict):
            _known(entry, Ignore.__struct_encode_fields__, f"an ignore of {origin}")


def _relative_to(folder: Path, values: Mapping[str, object]) -> dict[str, object]:
    """A path in a file starts from the file's folder."""
    return {
        key: str(folder / value) if key in _PATHS and isinstance(value, str) else value
        for key, value in values.items()
    }


def _spelled(key: str, prefix: str) -> str:
    return prefix + key.upper().replace("-", "_") if prefix else key


def _nearest(start: Path) -> tuple[Path, Mapping[str, object]] | None:
    """The nearest file of ours, and what is in it; in one folder opcheck.toml comes before
    pyproject.toml.

    A pyproject.toml without [tool.opcheck] is none: a package inside the project may have its own.
    """
    folders = (start, *start.parents)
    files = (folder / name for folder in folders for name in (_OWN_FILE, "pyproject.toml"))
    documents = ((file, _document(file)) for file in files if file.is_file())
    return next((f for f in documents if f[0].name == _OWN_FILE or "opcheck" in _tools(f[1])), None)


def _table(path: Path, document: Mapping[str, object]) -> tuple[Mapping[str, object], str]:
    """The options in a file, and what to call them in a message."""
    if path.name == _OWN_FILE:
        if "tool" in document:
            raise UsageError(
                f"{path} is opcheck's own: its keys stand without [tool.opcheck].",
                hint="Take that line out; [[tool.opcheck.ignore]] is [[ignore]] there.",
            )
        return document, str(path)
    table = _tools(document)["opcheck"]
    if not isinstance(table, dict):
        raise UsageError(f"[tool.opcheck] in {path} is not a table.")
    return table, f"[tool.opcheck] in {path}"


def _document(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(content(path).decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error


def _tools(document: Mapping[str, object]) -> Mapping[str, object]:
    tools = document.get("tool")
    return tools if isinstance(tools, dict) else {}


def _variables(environment: Mapping[str, str]) -> Mapping[str, object]:
    """Lists are split at white space: ``OPCHECK_TARGETS="metal@1.2.0,macos=12 directml"``."""
    found: dict[str, object] = {}
    for name, value in environment.items():
        if name.startswith(_PREFIX) and name not in _OTHER_VARIABLES:
            key = name.removeprefix(_PREFIX).lower().replace("_", "-")
            found[key] = value.split() if key in _LISTS else value
    return found
