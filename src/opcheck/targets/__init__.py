"""What each plugin version can run.

`resolve` loads a target by name, `known_targets` lists them. The registries in ``data/`` are
generated from the published wheels by `opcheck.extract`; docs/targets.md tells how.
"""

from opcheck.targets.index import known_targets
from opcheck.targets.kernels import KernelDef, KernelRegistry
from opcheck.targets.resolve import resolve
from opcheck.targets.store import Provenance
from opcheck.targets.target import Target, TargetInfo, own_parts, told_apart

__all__ = [
    "KernelDef",
    "KernelRegistry",
    "Provenance",
    "Target",
    "TargetInfo",
    "known_targets",
    "own_parts",
    "resolve",
    "told_apart",
]
