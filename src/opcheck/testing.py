"""Assertions on models, for any test runner. ``opcheck.pytest_plugin`` has them as a fixture.

Reports are kept for the process, by the model's content, the targets and the options: asking twice
costs once.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from opcheck import api, pipeline
from opcheck.config import Ignore, Options, StepChoice
from opcheck.formats import Style, failure
from opcheck.report import Op, Report, Result, baseline, gate

_DEFAULTS = Options()
_reports: dict[object, Report] = {}

Targets = str | Sequence[str]


def assert_supported(
    model: object,
    target: Targets = (),
    *,
    step: StepChoice | None = None,
    allow: Iterable[str] = (),
    options: Options = _DEFAULTS,
) -> Report:
    """The gate passes on every target: nothing fails, no costly op leaves the accelerator.

    ``model`` and ``target`` are as for ``opcheck.check``. ``step`` is ``"inference"``,
    ``"training"`` or ``"both"`` (the options' where it is not given). ``allow`` names op types,
    layer classes or layer paths (as shell patterns) whose findings do not count. ``options`` holds
    the rest: limits, ignores, a baseline. Returns the report; raises AssertionError with the
    table of ops, and OpcheckError when no report can be made.
    """
    __tracebackhide__ = True
    options = _stepping(options, step)
    report = _allowing(report_of(model, target, options=options), allow, options)
    if not report.verdict.passed:
        raise AssertionError(failure.gate_failed(report, "is not supported", Style()))
    return report


def assert_no_fallback(
    model: object,
    target: Targets = (),
    *,
    step: StepChoice | None = None,
    allow: Iterable[str] = (),
    options: Options = _DEFAULTS,
) -> Report:
    """As ``assert_supported``, and warnings on ops count too: only bookkeeping may leave."""
    __tracebackhide__ = True
    options = msgspec.structs.replace(_stepping(options, step), fail_on="warning")
    report = _on_ops(_allowing(report_of(model, target, options=options), allow, options))
    if not report.verdict.passed:
        raise AssertionError(failure.gate_failed(report, "leaves the accelerator", Style()))
    return report


def assert_layer_on_accelerator(
    model: object,
    layer: str,
    target: Targets = (),
    *,
    step: StepChoice | None = None,
    allow: Iterable[str] = (),
    options: Options = _DEFAULTS,
) -> Report:
    """No op of the layer, or of a layer inside it, leaves the accelerator but for bookkeeping.

    ``layer`` is a path such as ``encoder/attention``, or a shell pattern of paths. The other
    arguments are those of ``assert_supported``. A layer without ops fails: nothing was shown.
    """
    __tracebackhide__ = True
    options = _stepping(options, step)
    report = _allowing(report_of(model, target, options=options), allow, options)
    results = tuple(_only(layer, result) for result in report.results)
    narrowed = msgspec.structs.replace(report, results=results)
    if not results or not all(result.ops for result in results):
        raise AssertionError(failure.layer_unknown(report, layer))
    if any(op.matters or op.verdict in ("fails", "unknown") for r in results for op in r.ops):
        raise AssertionError(failure.layer_leaves(narrowed, layer, Style()))
    return report


def forget() -> None:
    """Drop the reports that are kept."""
    _reports.clear()


def report_of(
    model: object,
    target: Targets = (),
    *,
    step: StepChoice | None = None,
    options: Options = _DEFAULTS,
) -> Report:
    """``opcheck.check``, done once a process for the same model, targets and options."""
    source, needed = api.source_of(model, _stepping(options, step))
    specs = (target,) if isinstance(target, str) else tuple(target)
    identity: object = source
    if isinstance(source, str) and Path(source).exists():
        status = Path(source).stat()
        identity = (str(Path(source).resolve()), status.st_mtime_ns, status.st_size)
    asked = msgspec.structs.replace(needed, fail_on="error", ignore=())  # the gate is asked anew
    key = (identity, specs, asked)
    if key not in _reports:
        _reports[key] = pipeline.check(source, specs, needed)
    return _reports[key]


def _stepping(options: Options, step: StepChoice | None) -> Options:
    return options if step is None else msgspec.structs.replace(options, step=step)


def _allowing(report: Report, allow: Iterable[str], options: Options) -> Report:
    """The report judged anew, with ``allow`` as ignores."""
    ignores = [ignore for name in allow for ignore in _ignores(name, report)]
    options = msgspec.structs.replace(options, ignore=(*options.ignore, *ignores))
    judged = gate.judge(report, options, baseline.named_by(options))
    unused = tuple(note for note in judged.verdict.notes if "matches no finding" not in note)
    return msgspec.structs.replace(
        judged, verdict=msgspec.structs.replace(judged.verdict, notes=unused)
    )


def _on_ops(report: Report) -> Report:
    """Without the failures of findings that name no op: other versions are no fallback."""
    opless = {f.fingerprint for r in report.results for f in r.findings if not f.ops}
    failures = tuple(
        f for f in report.verdict.failures if f.kind != "finding" or f.fingerprint not in opless
    )
    passed = bool(report.results) and not failures
    verdict = msgspec.structs.replace(report.verdict, failures=failures, passed=passed)
    return msgspec.structs.replace(report, verdict=verdict)


def _ignores(name: str, report: Report) -> list[Ignore]:
    """A name is that of an op type, of a layer's class or of a layer; what it is in the report."""
    why = f"allow {name}"
    paths = [
        glob.escape(layer.path)
        for layer in report.model.layers
        if name == layer.class_name or fnmatchcase(layer.path, name)
    ]
    inside = [Ignore(layer=p, reason=why) for path in paths for p in (path, f"{path}/*")]
    return [Ignore(op=name, reason=why), *inside]


def _only(layer: str, result: Result) -> Result:
    def belongs(op: Op) -> bool:
        path = op.layer or ""
        return fnmatchcase(path, layer) or fnmatchcase(path, f"{layer}/*")

    kept = tuple(op for op in result.ops if belongs(op))
    names = {op.name for op in kept}
    findings = tuple(f for f in result.findings if names & set(f.ops))
    return gate.counting(msgspec.structs.replace(result, ops=kept, findings=findings))
