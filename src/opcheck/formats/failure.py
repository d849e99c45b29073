"""A report as the message of a failed assertion: the verdicts, the ops with reasons, the advice."""

from __future__ import annotations

import msgspec

from opcheck.formats import text
from opcheck.formats.escape import printable
from opcheck.formats.style import Style
from opcheck.report import Report, gate


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
        *_ops(counting, style),
    ]
    return "\n".join("\n".join(lines) for lines in sections if lines)


def layer_leaves(report: Report, layer: str, style: Style) -> str:
    """``report`` holds the layer's ops only."""
    head = f"{printable(report.model.path)} leaves the accelerator in {printable(layer)}"
    return "\n".join("\n".join(lines) for lines in ([head], *_ops(report, style)) if lines)


def layer_unknown(report: Report, layer: str) -> str:
    layers = ", ".join(printable(known.path) for known in report.model.layers)
    model = printable(report.model.path)
    return f"{model}: no op was traced in a layer {printable(layer)}\nIts layers: {layers}."


def _ops(report: Report, style: Style) -> list[list[str]]:
    tables = [text.fallbacks(results, style) for results in text.by_target(report)]
    return [*tables, text.advice(report, style)]
