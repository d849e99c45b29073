"""Where a report was made, in a line; of a merged one, a line for each machine."""

from __future__ import annotations

from opcheck.formats.escape import printable
from opcheck.report import Environment, Report


def machine_line(env: Environment) -> str:
    """``Python 3.11.7 · TensorFlow 2.18.1 · Keras 3.6.0 (keras) · Linux x86_64 · ...``"""
    devices = ", ".join(f"{d.device_type} ({printable(d.platform)})" for d in env.accelerators)
    parts = (
        f"Python {env.python}",
        f"TensorFlow {env.tensorflow}",
        f"Keras {env.keras} ({env.keras_package})" if env.keras else "no Keras needed",
        f"{env.system} {env.machine}",
        devices or "no accelerator here",
    )
    return " · ".join(map(printable, parts))


def machine_lines(report: Report) -> list[str]:
    """Each machine of a merged report, and what it gave."""
    return [
        f"{machine_line(machine.environment).removesuffix(' here')}: "
        f"{printable(', '.join(machine.results)) or 'nothing'}"
        for machine in report.machines
    ]
