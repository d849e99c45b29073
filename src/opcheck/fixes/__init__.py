"""Rewrites of layers that keep the numbers and bring the ops onto the accelerator.

One definition each, for a finding's advice and for ``opcheck fix``; no framework is imported here.
tests/tf/test_fixes.py proves each: same numbers, and no op of the replacement off the accelerator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opcheck.fixes.activations import ACTIVATIONS
from opcheck.fixes.attention import AttentionByMatMul, EinsumDenseByDense
from opcheck.fixes.convolutions import (
    Conv3DBy2D,
    DistributedDense,
    NearestResize,
    Pooling3DBy2D,
    UngroupedConvolution,
)
from opcheck.fixes.recurrent import FusedRecurrent, UnfusedRecurrent, off_the_fused_path
from opcheck.fixes.rewrite import CannotRewriteError, Rewrite, Toolkit
from opcheck.targets import Target

__all__ = [
    "REWRITES",
    "CannotRewriteError",
    "Rewrite",
    "Toolkit",
    "advice",
    "off_the_fused_path",
    "rewrite_for",
]

REWRITES: tuple[Rewrite, ...] = (
    *ACTIVATIONS,
    AttentionByMatMul(),
    EinsumDenseByDense(),
    UngroupedConvolution(),
    Conv3DBy2D(),
    Pooling3DBy2D(),
    NearestResize(),
    DistributedDense(),
    UnfusedRecurrent(),
    FusedRecurrent(),
)
"""The first that applies to a layer is taken; a layer rid of its activation may get another."""


def rewrite_for(
    class_name: str, config: Mapping[str, Any], major: int, target: Target
) -> Rewrite | None:
    """The rewrite of such a layer that helps on ``target``."""
    return next(
        (r for r in REWRITES if r.applies(class_name, config, major) and r.helps(target)), None
    )


def advice(op_type: str, target: Target, class_name: str | None = None) -> str | None:
    """What to do about an op that leaves the accelerator, in a layer of that class."""
    found = [r for r in REWRITES if op_type in r.cures and r.helps(target)]
    ours = [r for r in found if class_name in r.classes]
    return next((r.advice for r in (*ours, *(r for r in found if r.general))), None)
