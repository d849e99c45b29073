"""Stage 6: Report -> str. One module a format, one entry in ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from opcheck.formats import (
    comparison,
    github,
    html,
    inspection,
    json,
    junit,
    markdown,
    sarif,
    scan,
    text,
)
from opcheck.formats.style import Style
from opcheck.report import Inspection, Report
from opcheck.report.comparison import Comparison
from opcheck.report.scan import Scan

__all__ = ["COMPARISON_FORMATS", "FORMATS", "INSPECTION_FORMATS", "SCAN_FORMATS", "Style"]

FORMATS: Mapping[str, Callable[[Report, Style], str]] = MappingProxyType(
    {
        "text": text.render,
        "json": json.render,
        "markdown": markdown.render,
        "html": html.render,
        "sarif": sarif.render,
        "junit": junit.render,
        "github": github.render,
    }
)

INSPECTION_FORMATS: Mapping[str, Callable[[Inspection, Style], str]] = MappingProxyType(
    {"text": inspection.render, "json": json.render}
)

COMPARISON_FORMATS: Mapping[str, Callable[[Comparison, Style], str]] = MappingProxyType(
    {"text": comparison.render, "json": json.render}
)

SCAN_FORMATS: Mapping[str, Callable[[Scan, Style], str]] = MappingProxyType(
    {"text": scan.render, "json": json.render}
)
