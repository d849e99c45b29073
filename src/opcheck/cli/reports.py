"""Where a command takes a JSON report as well as a model: which it is, and which of its targets a
name means."""

from __future__ import annotations

from pathlib import Path

import msgspec

from opcheck.errors import UnknownTargetError, UsageError
from opcheck.report import Report, Result
from opcheck.targets.choose import choose
from opcheck.targets.spec import TargetSpec, parse


def is_report(name: str) -> bool:
    return Path(name).suffix == ".json"


def label(name: str, path: str, report: Report) -> str:
    """What the report in ``path`` calls the target that ``name`` means, which says as much of it as
    it likes: ``metal``, ``metal@1.2,macos=14``.

    Raises:
        UnknownTargetError: the report has no such target.
        UsageError: ``name`` is malformed, or means several.
    """
    known = report.labels
    if name in known:
        return name
    wanted = parse(name)
    found = tuple(dict.fromkeys(r.target for r in report.results if _means(wanted, r)))
    if not found:
        raise UnknownTargetError(
            f"{path} has no target {name}.", hint=f"It has {', '.join(known) or 'no result'}."
        )
    if len(found) > 1:
        raise UsageError(
            f"{name} means several targets of {path}.", hint=f"Name one of {', '.join(found)}."
        )
    return found[0]


def _means(wanted: TargetSpec, result: Result) -> bool:
    """Whether nothing in ``wanted`` contradicts it. Of an older report, which does not name the
    kernels, no option is known to be true."""
    known = result.target.partition(",")[0]
    source, *parts = result.kernels.split(",")
    held = {key: value for key, _, value in (part.partition("=") for part in parts)}
    if wanted.file is None:
        wanted = _settled(wanted, known.partition("@")[2], held.get("arch"))
        same = f"{wanted.plugin}@{wanted.version}" == known
    else:
        same = Path(wanted.file).name == source
    options = {"macos": wanted.macos, "arch": wanted.arch, "tensorflow": wanted.tensorflow}
    return same and all(
        f"{held.get(key, '')}.".startswith(f"{value}.")  # 2.18 is every patch of it
        for key, value in options.items()
        if value is not None
    )


def _settled(wanted: TargetSpec, version: str, arch: str | None) -> TargetSpec:
    """What is named as a result has it: 1.2.0 for 1.2, and the macOS from which on the kernels are
    those. As it is where no such target is known."""
    wanted = msgspec.structs.replace(wanted, version=wanted.version or version)
    asked = msgspec.structs.replace(wanted, arch=wanted.arch or arch, tensorflow=None)
    try:
        found = choose(asked, nearest=False)
    except UnknownTargetError:
        return wanted
    return msgspec.structs.replace(
        wanted,
        version=found.info.version,
        macos=wanted.macos and found.branch,
        arch=wanted.arch and found.info.arch,
    )
