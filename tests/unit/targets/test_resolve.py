"""Target names, and what they resolve to."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from opcheck.errors import UnknownTargetError, UsageError
from opcheck.targets import known_targets, resolve
from opcheck.targets.spec import TargetSpec, parse


def test_specs() -> None:
    assert parse("metal") == TargetSpec("metal")
    assert parse("Metal@1.2.0, macos=12 , arch=x86_64") == TargetSpec(
        "metal", "1.2.0", "12", "x86_64"
    )


@pytest.mark.parametrize(
    "text", ["", "@1.2.0", "metal@", "metal,", "metal,macos", "metal,macos=", "metal,os=12",
             "metal,macos=12,macos=13", "metal,macos=ventura"]
)  # fmt: skip
def test_malformed_specs_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_nothing_said_means_the_newest() -> None:
    target = resolve("metal")
    assert target.label == "metal@1.2.0"
    assert target.description == "metal@1.2.0 (macOS 13+, arm64)"
    assert (target.os_version, target.arch, target.match) == ("13", "arm64", "exact")
    assert (target.device_type, target.platform) == ("GPU", "METAL")
    assert (target.tensorflow, target.keras_major) == ("2.18.1", 3)
    assert target.optimizer_switches == (("layout_optimizer", "off"), ("remapping", "off"))


def test_directml() -> None:
    target = resolve("directml@0.4.0")
    assert target.description == "directml@0.4.0"
    assert (target.device_type, target.platform, target.arch) == ("GPU", "DML", None)
    assert (target.tensorflow, target.keras_major) == ("2.10.0", 2)
    assert resolve("directml@0.4.0.dev230202").label == "directml@0.4.0"


def test_a_version_of_macos_picks_the_kernels_it_has() -> None:
    old, new = resolve("metal,macos=12"), resolve("metal,macos=15.2")
    assert old.description == "metal@1.2.0 (macOS 12, arm64)"
    assert new.description == "metal@1.2.0 (macOS 15.2, arm64)"
    attrs = {"dtype": "float32", "Tshape": "int32"}
    assert old.registry.match("StatelessRandomUniformV2", "GPU", attrs) is None
    assert new.registry.match("StatelessRandomUniformV2", "GPU", attrs) is not None


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("metal@9.9", "metal@1.2.0"),
        ("metal@nonsense", "metal@1.2.0"),
        ("metall", "metal"),
        ("cuda", "directml"),
        ("metal,arch=riscv64", "arm64"),
        ("directml,macos=13", "macOS"),
    ],
)
def test_an_unknown_target_names_the_nearest(spec: str, hint: str) -> None:
    with pytest.raises(UnknownTargetError) as error:
        resolve(spec)
    assert hint in str(error.value)


def test_known_targets_are_listed_newest_first() -> None:
    known = known_targets()
    assert {t.label for t in known} >= {"metal@1.2.0", "directml@0.4.0"}
    assert all(resolve(t.label).label == t.label for t in known)


@pytest.mark.parametrize("label", sorted({t.label for t in known_targets()}))
def test_every_target_runs_beside_a_tensorflow_that_it_supports(label: str) -> None:
    target = resolve(label)
    assert any(SpecifierSet(s).contains(target.tensorflow) for s in target.tensorflow_supported)
    core = next(p.wheel for p in target.provenance[1:])
    assert core.split("-")[1] == target.tensorflow  # its own, never another version's
    assert ("macos" in core) == (target.plugin == "metal")
    assert target.optimizer_switches == SWITCHES[target.plugin]


SWITCHES = {"metal": (("layout_optimizer", "off"), ("remapping", "off")), "directml": ()}
