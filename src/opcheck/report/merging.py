"""Reports of one model from several machines -> one report.

Where two hold the same step on the same target, the result that is known best stays (observed,
then emulated, then predicted), and the ops that the others judge otherwise are listed as
disagreements.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opcheck.errors import UsageError
from opcheck.placement.types import Evidence
from opcheck.report.types import Machine, OpDisagreement, Report, Result

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
    by_place: dict[tuple[str, str], list[Result]] = {}
    for report in reports:
        for result in report.results:
            by_place.setdefault((result.target, result.step), []).append(result)
    return msgspec.structs.replace(
        first,
        results=tuple(_merged(results) for results in by_place.values()),
        machines=tuple(machine for report in reports for machine in _machines(report)),
    )


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
    return msgspec.structs.replace(
        best, disagreements=best.disagreements + tuple(differing.values())
    )
