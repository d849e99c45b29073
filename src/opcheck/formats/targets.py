"""The known targets and where their kernels come from, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from opcheck.formats.numbers import count
from opcheck.formats.style import Style
from opcheck.formats.tables import paragraph, table
from opcheck.targets import Provenance, TargetInfo
from opcheck.targets.index import sources
from opcheck.targets.target import Pairing

Known = Sequence[TargetInfo]


def render_json(known: Known, style: Style) -> str:  # noqa: ARG001 - JSON has no style
    """A list, newest first; ``provenance`` has one entry per library that registers kernels."""
    listed = [
        {
            "target": target.label,
            **_without(target, "registry", "pairings"),
            "provenance": sources(target.registry),
            "beside": [
                {**_without(pairing, "core"), "provenance": sources(pairing.core)}
                for pairing in target.pairings
            ],
        }
        for target in known
    ]
    return msgspec.json.format(msgspec.json.encode(listed), indent=2).decode() + "\n"


def _without(struct: msgspec.Struct, *names: str) -> dict[str, object]:
    return {k: v for k, v in msgspec.structs.asdict(struct).items() if k not in names}


_READING = (
    "The plugin's own ops and kernels. macOS: the versions that have different ones, each and "
    "newer. metal@1.1.0,macos=12,arch=arm64,tensorflow=2.17 picks."
)


def render(known: Known, style: Style) -> str:
    """First one line a target, then what its kernels were recovered from."""
    rows = []
    for target in known:
        own = sources(target.registry)
        rows.append(
            (
                f"{target.label} {target.arch or ''}".rstrip(),
                ", ".join(reversed(target.os_versions)) or "-",
                ", ".join(pairing.tensorflow for pairing in target.pairings),
                " or ".join(sorted({str(pairing.keras_major) for pairing in target.pairings})),
                str(sum(each.ops for each in own)),
                str(sum(each.kernels for each in own)),
            )
        )
    headers = ("target", "macOS", "TF", "Keras", "ops", "kernels")
    lines = table(headers, rows, width=style.width, wrap={"TF": 1})
    lines += ["", *paragraph(_READING, width=style.width)]
    for target in known:
        lines += ["", f"{target.label} {target.arch or ''}".rstrip()]
        lines += _recovered(sources(target.registry))
        for pairing in target.pairings:
            text = f"TensorFlow {pairing.tensorflow}. {pairing.source}"
            lines += paragraph(text, width=style.width, first=f"  {'beside':<8}")
    for pairing in _cores(known):
        lines += ["", f"TensorFlow {pairing.tensorflow} ({pairing.core})"]
        lines += _recovered(sources(pairing.core))
    return "\n".join(lines) + "\n"


def _recovered(found: Iterable[Provenance]) -> list[str]:
    lines: list[str] = []
    wheel = ""
    for each in found:
        if each.wheel != wheel:
            lines += [f"  {'wheel':<8}{each.wheel}", f"  {'sha256':<8}{each.sha256}"]
            wheel = each.wheel
        lines += [
            f"  {'library':<8}{each.member}",
            f"  {'':<8}{count(each.kernels, 'kernel')} of {count(each.ops, 'op')}, {each.method}",
        ]
    return lines


def _cores(known: Known) -> list[Pairing]:
    """Each once, in the order in which the targets name them."""
    return list({p.core: p for target in known for p in target.pairings}.values())
