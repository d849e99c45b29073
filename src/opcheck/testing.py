"""Assertions on models, for any test runner. ``opcheck.pytest_plugin`` has them as a fixture.

Reports are kept for the process: asking twice for the same model, targets and options costs once.
A path is the same while its file is, a live model while its configs are, a function always (Keras
numbers the layers of every model that it makes anew).
"""

from __future__ import annotations

import glob
from collections.abc import Hashable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from opcheck import api, loading, pipeline
from opcheck.api import Report
from opcheck.config import Ignore, Options, StepChoice
from opcheck.errors import OpcheckError
from opcheck.formats import Style, failure
from opcheck.loading.types import ModelSource
from opcheck.report import Op, Result, baseline, gate

_DEFAULTS = Options()
_GATE = ("fail_on", "allow_unknown", "ignore", "baseline")
_LIMITS = ("max_fallback_flops", "max_crossings", "max_host_bytes")
_NO_GATE = {name: getattr(_DEFAULTS, name) for name in (*_GATE, *_LIMITS)}
"""One report serves every policy: the gate is asked anew each time."""

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
    ``"training"`` or ``"both"`` (the options' where it is not given). ``allow`` is one name, or
    several, of op types, layer classes or layer paths (as shell patterns) whose findings do not
    count. ``options`` holds the rest: limits, ignores, a baseline. Returns the report; raises
    AssertionError with the table of ops, and OpcheckError when no report can be made.
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
    arguments are those of ``assert_supported``. A name that is no layer's fails, and so does a
    layer without ops in any step on a target, or a step that could not be analysed, or not all of
    it: what is missing may be the layer's.
    """
    __tracebackhide__ = True
    options = _stepping(options, step)
    report = _allowing(report_of(model, target, options=options), allow, options)
    results = tuple(_only(layer, result) for result in report.results)
    shown = {result.target for result in results if result.ops}
    unseen = tuple(result for result in report.results if result.target not in shown)
    if unseen:
        raise AssertionError(failure.layer_not_shown(report, layer, unseen))
    counting = tuple(map(gate.counting, results))
    if any(op.matters or op.verdict in ("fails", "unknown") for r in counting for op in r.ops):
        narrowed = msgspec.structs.replace(report, results=counting)
        raise AssertionError(failure.layer_leaves(narrowed, layer, Style()))
    partial = tuple(result for result in report.results if result.incomplete or not result.ops)
    if partial:
        raise AssertionError(failure.layer_not_whole(report, layer, partial))
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
    """``opcheck.check``, done once a process for the same model, targets and options.

    What the options say of the gate is applied anew.
    """
    __tracebackhide__ = True
    options = _stepping(options, step)
    specs = names(target) or options.targets
    asked = msgspec.structs.replace(options, targets=(), **_NO_GATE)
    try:
        report = _report(model, specs, asked)
        return gate.judge(report, options, baseline.named_by(options))
    except OpcheckError as error:  # what is wrong is in its message, not in our frames
        raise error.with_traceback(None) from None


def _report(model: object, specs: tuple[str, ...], asked: Options) -> Report:
    """Kept, or made now; it is judged by no policy yet."""
    if _is_function(model) and (model, specs, asked) in _reports:
        return _reports[model, specs, asked]  # without calling it again
    source, needed = api.source_of(model, asked)
    key = (model if _is_function(model) else _identity(source), specs, asked)
    if key not in _reports:
        _reports[key] = api.public(pipeline.check(source, specs, needed))
    return _reports[key]


def _is_function(model: object) -> bool:
    return callable(model) and isinstance(model, Hashable) and not loading.is_model(model)


def _identity(source: str | ModelSource) -> object:
    """What tells that a model is still the same."""
    if isinstance(source, str) and Path(source).exists():
        status = Path(source).stat()
        return str(Path(source).resolve()), status.st_mtime_ns, status.st_size
    return source


def names(given: Iterable[str]) -> tuple[str, ...]:
    """A text is one name."""
    return (given,) if isinstance(given, str) else tuple(given)


def _stepping(options: Options, step: StepChoice | None) -> Options:
    return options if step is None else msgspec.structs.replace(options, step=step)


def _allowing(report: Report, allow: Iterable[str], options: Options) -> Report:
    """The report judged anew, with ``allow`` as ignores; the verdict's notes name the idle ones."""
    by_name = {name: _ignores(name, report) for name in names(allow)}
    ignores = tuple(ignore for each in by_name.values() for ignore in each)
    policy = msgspec.structs.replace(options, ignore=(*options.ignore, *ignores))
    judged = gate.judge(report, policy, baseline.named_by(options))
    idle = {gate.idle_note(ignore): ignore for ignore in ignores}  # one name makes several
    unused = {note for note in judged.verdict.notes if note in idle}
    notes = tuple(note for note in judged.verdict.notes if note not in idle) + tuple(
        f"allow {name!r}: there is no finding on such an op type, layer class or layer."
        for name, each in by_name.items()
        if unused.issuperset(map(gate.idle_note, each))
    )
    return msgspec.structs.replace(
        judged, verdict=msgspec.structs.replace(judged.verdict, notes=notes)
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
    return msgspec.structs.replace(result, ops=kept, findings=findings)
