"""Reports of one model from several machines -> one report.

Where two hold the same step on the same target, the result that is known best stays (observed,
then emulated, then predicted), and the ops that the others judge otherwise are listed as
disagreements. Two targets are the same where their kernels are, whatever the system is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from opcheck.errors import UsageError
from opcheck.placement.types import Evidence
from opcheck.report.types import Machine, OpDisagreement, Report, Result
from opcheck.targets import own_parts

_STRONGEST_FIRST: tuple[Evidence | None, ...] = ("observed", "emulated", "predicted", None)


def merge(reports: Sequence[Report]) -> Report:
    """One report; its environment is the first report's, ``merged`` names every machine.

    Raises UsageError when the reports are not all of one model file.
    """
    first = reports[0]
    for other in reports[1:]:
        if not first.model.sha256 and not other.model.sha256:
            raise UsageError(
                f"Nothing tells that {first.model.path} is the same model in both reports: it was "
                "made by code.",
                hint="Save it, and check the file on each machine.",
            )
        if other.model.sha256 != first.model.sha256:
            raise UsageError(
                f"The reports are not of one model: {first.model.path} and {other.model.path} "
                "have different contents.",
                hint="Merge reports of one file, made on several machines.",
            )
    reports = _told_apart(reports)
    by_place: dict[tuple[str, str], list[Result]] = {}
    for report in reports:
        for result in report.results:
            by_place.setdefault((result.target, result.step), []).append(result)
    return msgspec.structs.replace(
        first,
        results=tuple(_merged(results) for results in by_place.values()),
        machines=tuple(machine for report in reports for machine in _machines(report)),
    )


def _told_apart(reports: Sequence[Report]) -> list[Report]:
    """Each target by one name in all of them: ``metal@1.2.0`` may be on macOS 12 in one, and on 13
    in another."""
    results = [result for report in reports for result in report.results]
    labels = {_kernels(result): result.target.partition(",")[0] for result in results}
    own = own_parts(labels)
    names = {kernels: ",".join((label, *own[kernels])) for kernels, label in labels.items()}
    return [_renamed(report, names) for report in reports]


def _renamed(report: Report, names: Mapping[str, str]) -> Report:
    results = (
        msgspec.structs.replace(result, target=names[_kernels(result)]) for result in report.results
    )
    return msgspec.structs.replace(report, results=tuple(results))


def _kernels(result: Result) -> str:
    """An older opcheck did not name them."""
    return result.kernels or result.target


def _machines(report: Report) -> tuple[Machine, ...]:
    """Those of an earlier merge, or the one that the report was made on."""
    if report.machines:
        return report.machines
    done = tuple(
        f"{result.step} on {result.target}: {result.evidence or 'not analysed'}"
        for result in report.results
    )
    return (Machine(report.environment, done),)


def _merged(results: Sequence[Result]) -> Result:
    """The strongest evidence; of equals the one with fewer gaps, then the first."""
    best = min(results, key=lambda r: (_STRONGEST_FIRST.index(r.evidence), len(r.incomplete)))
    verdicts = {op.name: op for op in best.ops}
    differing = {
        op.name: OpDisagreement(
            op.name,
            op.op,
            op.layer,
            op.verdict,
            op.reason,
            verdicts[op.name].verdict,
            evidence=op.evidence,
        )
        for result in results
        if result is not best
        for op in result.ops
        if op.name in verdicts and verdicts[op.name].verdict != op.verdict
    }
    standing_in = next((result for result in results if result.match != "exact"), best)
    return msgspec.structs.replace(
        best,
        match=standing_in.match,
        match_reason=standing_in.match_reason,
        disagreements=best.disagreements + tuple(differing.values()),
    )
