"""Stage 4: placements -> findings. One file a rule, one entry in ``RULES``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.opc101_no_kernel import NoKernel
from opcheck.rules.opc102_dtype import DtypeNotRegistered
from opcheck.rules.opc103_pulled_to_cpu import PulledToCpu
from opcheck.rules.opc104_host_pinned import HostPinned
from opcheck.rules.opc105_in_a_loop import InALoop
from opcheck.rules.opc106_crossings import Crossings
from opcheck.rules.opc107_wide_model import WideModel
from opcheck.rules.opc110_fails import Fails
from opcheck.rules.opc111_xla import Xla
from opcheck.rules.opc120_unknown import Unknown
from opcheck.rules.opc121_custom_op import CustomOp
from opcheck.rules.opc140_unfused_recurrent import UnfusedRecurrent
from opcheck.rules.opc141_sparse_gradient import SparseGradient
from opcheck.rules.opc142_unfused_optimizer import UnfusedOptimizer
from opcheck.rules.opc150_known_problem import KnownProblem
from opcheck.rules.opc201_not_analysed import NotAnalysed
from opcheck.rules.opc202_experimental import Experimental
from opcheck.rules.opc301_cannot_open import CannotOpen
from opcheck.rules.opc302_other_versions import OtherVersions
from opcheck.rules.opc303_bad_pair import CannotPair
from opcheck.rules.severity import severities
from opcheck.rules.types import WORST_FIRST, Finding, PlacedOp, Severity, Subject, Suppression

__all__ = [
    "RULES",
    "WORST_FIRST",
    "Finding",
    "PlacedOp",
    "Rule",
    "Severity",
    "Subject",
    "Suppression",
    "findings",
    "severities",
]

RULES: tuple[Rule, ...] = (
    NoKernel(),
    DtypeNotRegistered(),
    PulledToCpu(),
    HostPinned(),
    InALoop(),
    Crossings(),
    WideModel(),
    Fails(),
    Xla(),
    Unknown(),
    CustomOp(),
    UnfusedRecurrent(),
    SparseGradient(),
    UnfusedOptimizer(),
    KnownProblem(),
    NotAnalysed(),
    Experimental(),
    CannotOpen(),
    OtherVersions(),
    CannotPair(),
)
"""In the order of their codes."""


def findings(subject: Subject) -> tuple[Finding, ...]:
    """What every rule has to say about one step on one target, the worst first."""
    found = _told_apart(finding for rule in RULES for finding in rule.check(subject))
    return tuple(sorted(found, key=lambda finding: WORST_FIRST.index(finding.severity)))


def _told_apart(found: Iterable[Finding]) -> Iterator[Finding]:
    """The second finding of a fingerprint gets another one, and so on."""
    seen: Counter[str] = Counter()
    for finding in found:
        seen[finding.fingerprint] += 1
        nth = seen[finding.fingerprint]
        if nth > 1:
            other = fingerprint(finding.fingerprint, str(nth))
            finding = msgspec.structs.replace(finding, fingerprint=other)
        yield finding
