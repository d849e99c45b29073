"""A page a plugin, to search: op by type by version. Generated from the shipped registries.

python -m opcheck.formats.kernels_page [FOLDER]     writes docs/targets/*.html again
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from opcheck.targets import KernelDef, Target, TargetInfo, known_targets, resolve
from opcheck.targets.kernels import reading_order
from opcheck.targets.support import accelerated

FOLDER = Path(__file__).parents[3] / "docs" / "targets"
_SYSTEMS = {"macos": "macOS"}
TEMPLATE = Path(__file__).with_name("kernels_page.html.j2")

Row = tuple[str, str, str, str, str, str]
"""Device, origin, attribute, host memory, what it requires, and the versions that have it as a
word of ones and zeros, newest first."""


class Page(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the page's script reads. Words and masks that repeat are kept once.

    ``ops`` has, per op, its rows: indices into ``words``, the types as one word, and last the index
    into ``masks``. ``cpu`` has the ops with kernels for the CPU in versions whose accelerator has
    none, with the index of those versions' mask.
    """

    versions: tuple[tuple[str, str, str], ...]
    words: tuple[str, ...]
    masks: tuple[str, ...]
    ops: dict[str, list[list[int]]]
    cpu: dict[str, int]


def pages() -> dict[str, str]:
    """File name -> HTML: one page per plugin."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    found = {}
    for plugin in dict.fromkeys(t.plugin for t in known_targets()):
        known = [t for t in known_targets() if t.plugin == plugin]
        page = template.render(
            distribution=known[0].distribution,
            newest=known[0].label,
            count=len({t.label for t in known}),
            data=_embedded(page_data(known)),
        )
        found[f"{plugin}.html"] = page.rstrip() + "\n"
    return found


def page_data(known: Sequence[TargetInfo]) -> Page:
    """All that the targets, newest first, have on their accelerators, and which ops only the CPU
    has; each on its newest system and beside the TensorFlow that is meant when none is named."""
    targets = [resolve(t.label + (f",arch={t.arch}" if t.arch else "")) for t in known]
    words, masks = _Numbers(), _Numbers()
    ops: dict[str, list[list[int]]] = {}
    cpu: dict[str, int] = {}
    for op in sorted(set().union(*(t.registry.ops() for t in targets))):
        rows = _rows(targets, op)
        if rows:
            ops[op] = [
                [*(words[word] for word in (*row[:-1], types)), masks[row[-1]]]
                for row, types in rows.items()
            ]
        fallback = _mask(_only_cpu(target, op) for target in targets)
        if "1" in fallback:
            cpu[op] = masks[fallback]
    versions = tuple((t.version, t.arch or "", t.tensorflow) for t in targets)
    return Page(versions, tuple(words), tuple(masks), ops, cpu)


def _rows(targets: Sequence[Target], op: str) -> dict[Row, str]:
    """Types that are alike in everything else, together in the order in which people list them."""
    have = [_facts(accelerated(target, op)) for target in targets]
    found: dict[Row, list[str]] = {}
    for fact in sorted(set().union(*have)):
        *rest, value = fact
        device, origin, attr, host_memory, requires = rest
        mask = _mask(fact in facts for facts in have)
        found.setdefault((device, origin, attr, host_memory, requires, mask), []).append(value)
    return {row: " ".join(sorted(types, key=reading_order)) for row, types in found.items()}


def _facts(kernels: Iterable[KernelDef]) -> set[tuple[str, ...]]:
    return {
        (
            kernel.device,
            kernel.origin,
            attr,
            " ".join(kernel.host_memory),
            ", ".join(f"{_SYSTEMS.get(what, what)} {v}" for what, v in kernel.requires),
            value,
        )
        for kernel in kernels
        for attr, values in (kernel.constraints or (("", ("",)),))
        for value in values
    }


def _only_cpu(target: Target, op: str) -> bool:
    registry = target.registry
    return not registry.has_op(op, target.device_type) and registry.has_op(op, "CPU")


def _mask(held: Iterable[bool]) -> str:
    return "".join("01"[there] for there in held)


class _Numbers(dict[str, int]):
    """Words numbered in the order of their first use."""

    def __missing__(self, word: str) -> int:
        return self.setdefault(word, len(self))


def _embedded(page: Page) -> str:
    """JSON that no HTML parser ends early."""
    return msgspec.json.encode(page).decode().replace("<", "\\u003c")


def _write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages().items():
        (folder / name).write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    _write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
