"""The pytest plugin: a fixture ``opcheck``, a marker and options for the assertions of
`opcheck.testing`.

What is asked for nearest to the test counts: the call's own arguments, then the markers of the
test, its class and its module, then the command line, then pytest's ini file, then opcheck.toml or
``[tool.opcheck]``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from opcheck.api import Report
    from opcheck.config import Options, StepChoice
    from opcheck.testing import Targets

# opcheck itself is imported when a test asks for it: every pytest run loads this module.

_STEPS = ("inference", "training", "both")
_EVIDENCE = ("auto", "predicted", "traced", "both")
_FAIL_ON = ("never", "error", "warning")
_MARKED = frozenset({"target", "step", "allow"})
_MARKER = (
    "opcheck(target=..., step=..., allow=[...]): what the fixture opcheck checks against in this "
    "test; target and allow take a name or a list of names; of several markers the nearest counts"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("opcheck", "op placement on accelerators")
    group.addoption(
        "--opcheck-target",
        action="append",
        metavar="TARGET",
        help="such as metal@1.2.0; may be repeated (ini: opcheck_targets)",
    )
    group.addoption("--opcheck-step", choices=_STEPS, help="(ini: opcheck_step)")
    group.addoption("--opcheck-evidence", choices=_EVIDENCE, help="(ini: opcheck_evidence)")
    group.addoption("--opcheck-fail-on", choices=_FAIL_ON, help="(ini: opcheck_fail_on)")
    parser.addini("opcheck_targets", "targets of opcheck, one a line", type="linelist")
    parser.addini("opcheck_step", "inference, training or both", type="string", default="")
    parser.addini("opcheck_evidence", "auto, predicted, traced or both", type="string", default="")
    parser.addini("opcheck_fail_on", "never, error or warning", type="string", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


def pytest_unconfigure() -> None:
    import sys

    if "opcheck.testing" in sys.modules:  # one session's reports are not the next one's
        sys.modules["opcheck.testing"].forget()


class Opcheck:
    """The assertions of `opcheck.testing`, with the session's options and the test's marker.

    ``target`` and ``step`` are the marker's where they are not given; its ``allow`` counts beside
    the call's.
    """

    def __init__(self, options: Options, target: Targets, allow: Iterable[str]) -> None:
        self.options = options
        self._target = target
        self._allow = allow

    def check(
        self, model: object, target: Targets = (), *, step: StepChoice | None = None
    ) -> Report:
        """The report, as ``opcheck.check`` gives it; made once a session for the same question."""
        from opcheck import testing

        return testing.report_of(model, **self._arguments(target, step))

    def assert_supported(
        self,
        model: object,
        target: Targets = (),
        *,
        step: StepChoice | None = None,
        allow: Iterable[str] = (),
    ) -> Report:
        """See ``opcheck.testing.assert_supported``."""
        __tracebackhide__ = True
        from opcheck import testing

        return testing.assert_supported(
            model, allow=self._allowed(allow), **self._arguments(target, step)
        )

    def assert_no_fallback(
        self,
        model: object,
        target: Targets = (),
        *,
        step: StepChoice | None = None,
        allow: Iterable[str] = (),
    ) -> Report:
        """See ``opcheck.testing.assert_no_fallback``."""
        __tracebackhide__ = True
        from opcheck import testing

        return testing.assert_no_fallback(
            model, allow=self._allowed(allow), **self._arguments(target, step)
        )

    def assert_layer_on_accelerator(
        self,
        model: object,
        layer: str,
        target: Targets = (),
        *,
        step: StepChoice | None = None,
        allow: Iterable[str] = (),
    ) -> Report:
        """See ``opcheck.testing.assert_layer_on_accelerator``."""
        __tracebackhide__ = True
        from opcheck import testing

        return testing.assert_layer_on_accelerator(
            model, layer, allow=self._allowed(allow), **self._arguments(target, step)
        )

    def _arguments(self, target: Targets, step: StepChoice | None) -> dict[str, Any]:
        return {"target": target or self._target, "step": step, "options": self.options}

    def _allowed(self, allow: Iterable[str]) -> tuple[str, ...]:
        from opcheck.testing import names

        return (*names(self._allow), *names(allow))


@pytest.fixture
def opcheck(request: pytest.FixtureRequest) -> Opcheck:
    """Assertions on where a model's ops run; see ``opcheck.testing``."""
    from opcheck import config as configuration
    from opcheck.errors import UsageError

    marked: dict[str, Any] = {}
    for marker in request.node.iter_markers("opcheck"):  # the nearest comes first
        if marker.args or not marker.kwargs.keys() <= _MARKED:
            raise pytest.UsageError(f"@pytest.mark.opcheck takes target, step and allow: {marker}")
        marked = {**marker.kwargs, **marked}
    step = marked.get("step")
    given = _given(request.config) | ({"step": step} if step else {})
    try:
        options = configuration.load(given, start=request.config.rootpath, environment=os.environ)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    return Opcheck(options, marked.get("target", ()), marked.get("allow", ()))


def _given(config: pytest.Config) -> dict[str, object]:
    """What pytest's command line and ini file say, by the names of opcheck's own options."""
    found: dict[str, object] = {}
    for name, ini in (
        ("targets", "opcheck_targets"),
        ("step", "opcheck_step"),
        ("evidence", "opcheck_evidence"),
        ("fail-on", "opcheck_fail_on"),
    ):
        option = "target" if name == "targets" else name.replace("-", "_")
        value = config.getoption(f"opcheck_{option}") or config.getini(ini)
        if value:
            found[name] = value
    return found
