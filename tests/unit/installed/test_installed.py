"""Which accelerator this machine has, by what is installed."""

from __future__ import annotations

import pytest

from opcheck import installed
from opcheck.targets import resolve

METAL, DIRECTML = "tensorflow-metal", "tensorflow-directml-plugin"


@pytest.mark.parametrize(
    ("packages", "system", "expected"),
    [
        ({}, ("Linux", "x86_64", ""), ("metal", "directml")),
        ({METAL: "1.1.0"}, ("Darwin", "arm64", "14.5"), ("metal@1.1.0,macos=14",)),
        ({METAL: "1.1.0"}, ("Darwin", "arm64", "10.16"), ("metal@1.1.0",)),
        ({METAL: "0.8.0"}, ("Darwin", "x86_64", "13.6"), ("metal@0.8.0,macos=13,arch=x86_64",)),
        ({METAL: "1.1.0"}, ("Linux", "x86_64", ""), ("metal", "directml")),
        ({DIRECTML: "0.4.0.dev230202"}, ("Windows", "AMD64", ""), ("directml@0.4.0.dev230202",)),
    ],
)
def test_the_version_that_is_installed_is_the_target(
    packages: dict[str, str],
    system: tuple[str, str, str],
    expected: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installed, "version_of", packages.get)
    monkeypatch.setattr("platform.system", lambda: system[0])
    monkeypatch.setattr("platform.machine", lambda: system[1])
    monkeypatch.setattr("platform.mac_ver", lambda: (system[2], ("", "", ""), ""))
    assert installed.default_targets() == expected
    assert all(target.startswith(resolve(target).plugin) for target in expected)
