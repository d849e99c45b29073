"""A report as the message of a failed assertion: the verdicts, the ops with reasons, the advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

import msgspec

from opcheck.formats import text
from opcheck.formats.escape import printable
from opcheck.formats.style import Style
from opcheck.formats.tables import shortened
from opcheck.report import Report, Result, gate

_MOST_LAYERS = 30


def gate_failed(report: Report, what: str, style: Style) -> str:
    """``mnist.keras is not supported``, then why. What was let pass is left out."""
    results = tuple(gate.counting(result) for result in report.results)
    counting = msgspec.structs.replace(report, results=results)
    opless = {f.fingerprint for r in results for f in r.findings if not f.ops}
    others = (f for f in report.verdict.failures if f.kind != "finding" or f.fingerprint in opless)
    sections = [
        [f"{printable(report.model.path)} {what} ({text.conclusion(report)[0].rstrip('.')})"],
        [f"  {text.verdict_sentence(result)}" for result in report.results],
        [f"  {printable(message)}" for message in dict.fromkeys(f.message for f in others)],
        [f"  {printable(note)}" for note in report.verdict.notes],
        *_ops(counting, style),
    ]
    return "\n".join("\n".join(lines) for lines in sections if lines)


def layer_leaves(report: Report, layer: str, style: Style) -> str:
    """``report`` holds the layer's ops only."""
    head = f"{printable(report.model.path)} leaves the accelerator in {printable(layer)}"
    return "\n".join("\n".join(lines) for lines in ([head], *_ops(report, style)) if lines)


def layer_not_shown(report: Report, layer: str, unseen: Sequence[Result]) -> str:
    """No layer is called so, or it has no op in the ``unseen`` results; ``report`` is the whole."""
    model, name = printable(report.model.path), printable(layer)
    paths = dict.fromkeys(
        (*(known.path for known in report.model.layers), *_paths_of_ops(report.results))
    )
    if any(fnmatchcase(path, layer) for path in paths):
        return (
            f"{model}: layer {name} has no op in {_where(unseen)}, so nothing is shown."
            f"{_gaps(unseen)}"
        )
    near = get_close_matches(layer, paths, n=1)
    hint = f" Did you mean {printable(near[0])}?" if near else ""
    known = shortened([printable(path) for path in paths], _MOST_LAYERS)
    return f"{model} has no layer {name}.{hint}\n  Its layers: {known or 'none are known'}."


def layer_not_whole(report: Report, layer: str, partial: Sequence[Result]) -> str:
    """What was seen of the layer stays; of ``partial`` not everything was seen."""
    return (
        f"{printable(report.model.path)}: {_where(partial)} could not be analysed as a whole, so "
        f"it is not shown that layer {printable(layer)} stays on the accelerator.{_gaps(partial)}"
    )


def _where(results: Sequence[Result]) -> str:
    return ", ".join(f"{result.step} on {result.target}" for result in results)


def _gaps(results: Sequence[Result]) -> str:
    gaps = dict.fromkeys(gap for result in results for gap in result.incomplete)
    return "".join(f"\n  {printable(gap)}" for gap in gaps)


def _paths_of_ops(results: Sequence[Result]) -> Iterator[str]:
    """A SavedModel's layers may be known from its ops only."""
    yield from (op.layer for result in results for op in result.ops if op.layer is not None)


def _ops(report: Report, style: Style) -> list[list[str]]:
    tables = [text.fallbacks(results, style) for results in text.by_target(report)]
    return [*tables, text.advice(report, style)]
