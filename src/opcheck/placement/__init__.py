"""Stage 3: an op graph on a target -> where each op runs, and why."""

from opcheck.placement.predict import Prediction, predict, predict_all
from opcheck.placement.reconcile import (
    Disagreement,
    ReconcileResult,
    reconcile,
    without_counters,
)
from opcheck.placement.trace import Traced, trace
from opcheck.placement.types import Evidence, Placement, Reason, Verdict

__all__ = [
    "Disagreement",
    "Evidence",
    "Placement",
    "Prediction",
    "Reason",
    "ReconcileResult",
    "Traced",
    "Verdict",
    "predict",
    "predict_all",
    "reconcile",
    "trace",
    "without_counters",
]
