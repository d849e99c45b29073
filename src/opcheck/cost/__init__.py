"""Placed ops -> what they cost, counted from their shapes.

Where each count comes from is said in formulas.py, crossings.py and partitions.py.
"""

from opcheck.cost.measured import measured
from opcheck.cost.ops import op_cost
from opcheck.cost.step import StepCosts, assess
from opcheck.cost.types import ExpensiveOp, LayerFlow, OpCost, StepCost

__all__ = [
    "ExpensiveOp",
    "LayerFlow",
    "OpCost",
    "StepCost",
    "StepCosts",
    "assess",
    "measured",
    "op_cost",
]
