"""OPC303."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources

import msgspec
from packaging.specifiers import SpecifierSet

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, Subject


class BadPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``versions`` of a plugin (all where empty) and ``tensorflow`` do not go together."""

    plugin: str
    versions: str
    tensorflow: str
    says: str
    source: str


@cache
def bad_pairs() -> tuple[BadPair, ...]:
    data = resources.files("opcheck.rules").joinpath("bad_pairs.json").read_bytes()
    return msgspec.json.decode(data, type=tuple[BadPair, ...])


class CannotPair(Rule):
    """This TensorFlow and the target's plugin do not work together.

    ## What it does
    Holds the TensorFlow that is installed here against published reports of pairs that do not load
    or do not work.

    ## Why it matters
    pip installs such pairs without a word. The import fails with a missing symbol, or the plugin is
    passed over and everything runs on the CPU.

    ## What to do
    Install the TensorFlow that the plugin is made for (`opcheck targets`). Where opcheck runs on
    another machine than the model will, this is a note of what not to install there.

    ## Source
    `opcheck/rules/bad_pairs.json`, with the source of each.
    """

    code = "OPC303"

    def check(self, subject: Subject) -> Iterator[Finding]:
        target, here = subject.target, subject.environment.tensorflow
        for pair in bad_pairs():
            if target.is_among(pair.plugin, pair.versions) and SpecifierSet(
                pair.tensorflow
            ).contains(here, prereleases=True):
                yield Finding(
                    code=self.code,
                    severity="note",
                    message=f"{target.label} does not work with TensorFlow {here}: {pair.says} "
                    f"({pair.source}).",
                    layer=None,
                    ops=(),
                    reason=None,
                    fix=f"There, install TensorFlow {target.tensorflow}.",
                    fingerprint=fingerprint(self.code, target.plugin, pair.source),
                )
                return
