"""The findings that a project has accepted: only what is new fails.

A baseline is a small JSON file to commit. Its lines are sorted and hold no version or time, so that
writing it again changes what has changed and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import msgspec

from opcheck.config import Options
from opcheck.documents import decoded
from opcheck.errors import UsageError
from opcheck.report.types import Report
from opcheck.rules import Finding
from opcheck.worker.protocol import Step

_SCHEMA = 1


class Entry(msgspec.Struct, frozen=True, order=True):
    """One finding, by its fingerprint.

    ``model``, ``steps`` and ``kernels`` say where it was found: only there can it be gone. They are
    empty in what older versions wrote. The rest is there for the reader.
    """

    target: str
    layer: str
    code: str
    message: str
    fingerprint: str
    model: str = ""
    steps: tuple[Step, ...] = ()
    kernels: str = ""


class Baseline(msgspec.Struct, frozen=True):
    """``findings`` accepted; the same one in both steps is one entry."""

    opcheck_baseline: int
    findings: tuple[Entry, ...]

    def __contains__(self, fingerprint: object) -> bool:
        return any(entry.fingerprint == fingerprint for entry in self.findings)


def of(report: Report) -> Baseline:
    """Every error and warning of a report, ignored ones left out."""
    entries: dict[tuple[str, str], Entry] = {}
    for result in report.results:
        for finding in filter(_counts, result.findings):
            key = (result.target, finding.fingerprint)
            before = entries[key].steps if key in entries else ()
            entries[key] = Entry(
                result.target,
                finding.layer or "",
                finding.code,
                finding.message,
                finding.fingerprint,
                model=report.model.path,
                steps=tuple(sorted({*before, result.step})),
                kernels=result.kernels,
            )
    return Baseline(_SCHEMA, tuple(sorted(entries.values())))


def gone(baseline: Baseline, report: Report) -> int:
    """How many findings the model no longer has, of those that this report would have found."""
    found = {f.fingerprint for result in report.results for f in result.findings}
    whole: defaultdict[str, set[Step]] = defaultdict(set)
    for result in report.results:
        if not (result.incomplete or result.summary.unknown):
            whole[result.kernels or result.target].add(result.step)
    return sum(
        entry.model == report.model.path
        and whole[entry.kernels or entry.target].issuperset(entry.steps)
        and entry.fingerprint not in found
        for entry in baseline.findings
    )


def _counts(finding: Finding) -> bool:
    accepted = finding.suppressed is None or finding.suppressed.by == "baseline"
    return accepted and finding.severity != "note"


def named_by(options: Options) -> Baseline | None:
    """The baseline that the options name, if they do. Raises UsageError as ``read`` does."""
    return None if options.baseline is None else read(Path(options.baseline))


def encode(baseline: Baseline) -> str:
    """The file's text."""
    return msgspec.json.format(msgspec.json.encode(baseline), indent=2).decode() + "\n"


def read(path: Path) -> Baseline:
    """Read a baseline. Raises UsageError when the file is missing, broken or newer."""
    try:
        baseline = decoded(path, Baseline)
    except OSError as error:
        raise UsageError(
            f"The baseline {path} cannot be read: {error.strerror}.",
            hint=f"Write it with --write-baseline {path}.",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is not a baseline: {error}.", hint="Write it again with --write-baseline."
        ) from error
    if baseline.opcheck_baseline != _SCHEMA:
        raise UsageError(
            f"{path} is a baseline of version {baseline.opcheck_baseline}; "
            f"this opcheck reads {_SCHEMA}.",
            hint="Write it again with --write-baseline.",
        )
    return baseline
