"""Stage 5: the report and the gate. JSON is the versioned artifact; formats/ renders it."""

from opcheck.report.types import (
    SCHEMA_VERSION,
    Environment,
    Failure,
    GateVerdict,
    Inspection,
    LayerSummary,
    Model,
    Op,
    Report,
    Result,
    Summary,
    Tool,
)

__all__ = [
    "SCHEMA_VERSION",
    "Environment",
    "Failure",
    "GateVerdict",
    "Inspection",
    "LayerSummary",
    "Model",
    "Op",
    "Report",
    "Result",
    "Summary",
    "Tool",
]
