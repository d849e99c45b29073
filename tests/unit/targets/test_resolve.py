"""Target names, and what they resolve to."""

from __future__ import annotations

import msgspec
import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from opcheck.errors import UnknownTargetError, UsageError
from opcheck.targets import known_targets, resolve, told_apart
from opcheck.targets.spec import TargetSpec, parse


def test_specs() -> None:
    assert parse("metal") == TargetSpec("metal")
    assert parse("Metal@1.2.0, macos=12 , arch=x86_64") == TargetSpec(
        "metal", "1.2.0", "12", "x86_64"
    )
    assert parse("metal,tensorflow=2.15") == TargetSpec("metal", tensorflow="2.15")


@pytest.mark.parametrize(
    "text", ["", "@1.2.0", "metal@", "metal,", "metal,macos", "metal,macos=", "metal,os=12",
             "metal,macos=12,macos=13", "metal,macos=ventura", "metal,tensorflow=two"]
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


def test_directml_runs_on_x86_64() -> None:
    assert resolve("directml,arch=x86_64").spec == resolve("directml").spec
    with pytest.raises(UnknownTargetError, match=r"no arm64 registry\. It exists for x86_64\."):
        resolve("directml,arch=arm64")


def test_a_tensorflow_with_directml_built_in() -> None:
    target = resolve("tensorflow-directml")
    assert target.label == "tensorflow-directml@1.15.8"
    assert (target.device_type, target.platform, target.tensorflow) == ("DML", "DML", "1.15.8")
    attrs = {"T": "float32"}
    plugin, core = (target.registry.match("Relu", device, attrs) for device in ("DML", "CPU"))
    assert plugin is not None and plugin.origin == "plugin"
    assert core is not None and core.origin == "core"
    assert target.defines("CudnnRNN") and not target.registry.has_op("CudnnRNN", "CPU")
    assert not target.defines("StatelessRandomUniformV2")  # newer
    assert resolve("tensorflow-directml@1.15.3.dev200911").label == "tensorflow-directml@1.15.3"


def test_a_version_of_macos_picks_the_kernels_it_has() -> None:
    old, new = resolve("metal,macos=12"), resolve("metal,macos=15.2")
    assert old.kernels == "metal@1.2.0,macos=12,arch=arm64,tensorflow=2.18.1"
    assert new.kernels == resolve("metal").kernels == old.kernels.replace("12", "13")
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


def test_a_version_may_be_short() -> None:
    assert resolve("metal@1.2").label == "metal@1.2.0"
    assert resolve("metal@1.0").match == "exact"


def test_known_targets_are_listed_newest_first() -> None:
    known = known_targets()
    assert {t.label for t in known} >= {"metal@1.2.0", "directml@0.4.0"}
    assert all(resolve(t.label).label == t.label for t in known)


@pytest.mark.parametrize("label", sorted({t.label for t in known_targets()}))
def test_every_target_runs_beside_a_tensorflow_that_it_supports(label: str) -> None:
    target = resolve(label)
    assert any(SpecifierSet(s).contains(target.tensorflow) for s in target.tensorflow_supported)
    core = next(p.wheel for p in target.provenance[1:])
    # Its own, never another version's.
    assert Version(core.split("-")[1]).base_version == target.tensorflow
    assert ("macos" in core) == (target.plugin == "metal")
    assert target.optimizer_switches == SWITCHES[target.plugin]


SWITCHES = {
    "metal": (("layout_optimizer", "off"), ("remapping", "off")),
    "directml": (),
    "tensorflow-directml": (),
}


@pytest.mark.parametrize(
    ("spec", "label", "reason"),
    [
        ("metal@9.9", "metal@1.2.0", "no kernel registry for metal@9.9. This is metal@1.2.0."),
        ("metal@1.0.9", "metal@1.0.1", "no kernel registry for metal@1.0.9. This is metal@1.0.1."),
        ("metal@0.0.1", "metal@0.", "no kernel registry for metal@0.0.1. This is metal@0."),
        ("directml@0.4.0.dev240101", "directml@0.4.0", "This is directml@0.4.0."),
        ("metal@1.2.0,macos=10.15", "metal@1.2.0", "not run on macOS 10.15. This is macOS 12."),
        ("metal,arch=riscv64", "metal@1.2.0", "has no riscv64 registry. This is arm64."),
        ("metal@1.2.0,tensorflow=2.5", "metal@1.2.0", "not run beside TensorFlow 2.5. This is "),
        ("metal@1.2.0,tensorflow=2.18.7", "metal@1.2.0", "2.18.7 beside metal@1.2.0. This is Tens"),
        ("metal,tensorflow=2.18rc1", "metal@1.2.0", "2.18rc1 beside metal@1.2.0. This is Tens"),
        ("metal,tensorflow=2.18.1.post1", "metal@1.2.0", "2.18.1.post1 beside metal@1.2.0. This"),
        ("metal,tensorflow=2.18.1+x", "metal@1.2.0", "2.18.1+x beside metal@1.2.0. This is Tens"),
        ("metal,tensorflow=2.5rc1", "metal@1.2.0", "not run beside TensorFlow 2.5rc1. This is "),
        ("directml,arch=arm64", "directml@0.4.0", "has no arm64 registry. This is x86_64."),
    ],
)
def test_nearest(spec: str, label: str, reason: str) -> None:
    with pytest.raises(UnknownTargetError, match="--nearest takes "):
        resolve(spec)
    target = resolve(spec, nearest=True)
    assert target.match == "nearest"
    assert target.label.startswith(label)
    assert reason in target.match_reason


@pytest.mark.parametrize("spec", ["cuda", "metal@nonsense", "directml,macos=13"])
def test_nothing_is_near(spec: str) -> None:
    with pytest.raises(UnknownTargetError):
        resolve(spec, nearest=True)


@pytest.mark.parametrize("spec", ["metal", "metal@1.0.0,macos=12", "directml@0.3.0"])
def test_what_is_known_is_exact_with_nearest_too(spec: str) -> None:
    target = resolve(spec, nearest=True)
    assert (target.match, target.match_reason) == ("exact", "")


@pytest.mark.parametrize("spec", ["metal", "metal@1.0.0,macos=12", "metal@9.9,macos=11"])
def test_a_target_names_itself(spec: str) -> None:
    target = resolve(spec, nearest=True)
    again = resolve(target.spec)
    assert again.match == "exact"
    assert (again.description, again.tensorflow) == (target.description, target.tensorflow)
    assert len(again.registry) == len(target.registry)


def test_another_patch_of_a_tensorflow_is_the_nearest() -> None:
    assert resolve("metal@1.2.0,tensorflow=2.18.9", nearest=True).tensorflow == "2.18.1"


@pytest.mark.parametrize("spec", ["metal@1.2.0,tensorflow=2.18.0", "metal@0.5.0,tensorflow=2.9.1"])
def test_every_patch_of_a_tensorflow_for_macos_is_known(spec: str) -> None:
    target = resolve(spec)
    assert (target.match, target.tensorflow) == ("exact", spec.rpartition("=")[2])


def test_tensorflow_picks_the_core() -> None:
    assert resolve("metal@1.1.0,tensorflow=2.17").tensorflow == "2.17.1"
    assert resolve("metal@1.1.0,tensorflow=2.17.1").tensorflow == "2.17.1"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("metal@1.1.0,tensorflow=2.17.9", "no kernels of TensorFlow 2.17.9 beside metal@1.1.0"),
        ("metal@1.1.0,tensorflow=2.5", "metal@1.1.0 does not run beside TensorFlow 2.5"),
        ("directml,tensorflow=2.18", "directml@0.4.0 does not run beside TensorFlow 2.18"),
    ],
)
def test_another_tensorflow_names_those_there_are_and_why(spec: str, said: str) -> None:
    label = spec.split(",")[0]
    known = [t for t in known_targets() if label in (t.label, t.plugin)]
    with pytest.raises(UnknownTargetError) as error:
        resolve(spec)
    assert said in str(error.value)
    assert known[0].pairings[0].tensorflow in str(error.value)
    assert known[0].pairings[0].source.rstrip(".") in str(error.value)


def test_several_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    info = next(t for t in known_targets() if t.label == "metal@1.1.0")
    other = next(t for t in known_targets() if t.label == "metal@1.0.1")
    both = msgspec.structs.replace(info, pairings=(info.pairings[0], other.pairings[0]))
    monkeypatch.setattr("opcheck.targets.choose.known_targets", lambda: (both,))
    assert resolve("metal").tensorflow == "2.17.1"
    assert resolve("metal,tensorflow=2.13").tensorflow == "2.13.0"
    assert resolve("metal,tensorflow=2.13").description == (
        "metal@1.1.0 (macOS 13+, TensorFlow 2.13.0, arm64)"
    )
    assert resolve("metal,tensorflow=2.17").description == "metal@1.1.0 (macOS 13+, arm64)"
    assert len(resolve("metal,tensorflow=2.13").registry) != len(resolve("metal").registry)
    with pytest.raises(UnknownTargetError, match=r"It has those of 2\.17\.1 \(.* or 2\.13\.0 \("):
        resolve("metal,tensorflow=2.15")
    assert resolve("metal,tensorflow=2.15", nearest=True).tensorflow == "2.13.0"


def test_two_of_one_version_are_told_apart_in_one_report() -> None:
    specs = ("metal@1.2.0", "metal@1.2.0,macos=12", "metal", "directml@0.4.0")
    found = told_apart(map(resolve, specs))
    assert [target.label for target in found] == [
        "metal@1.2.0,macos=13",
        "metal@1.2.0,macos=12",
        "directml@0.4.0",
    ]
    assert found[1].description == resolve("metal@1.2.0,macos=12").description
    assert [target.label for target in told_apart(found[1:2])] == ["metal@1.2.0"]


@pytest.mark.parametrize("specs", [("metal@9.9", "metal"), ("metal", "metal@9.9", "metal@9.8")])
def test_one_target_of_several_names_says_what_each_stands_for(specs: tuple[str, ...]) -> None:
    (target,) = told_apart(resolve(spec, nearest=True) for spec in specs)
    assert (target.label, target.match) == ("metal@1.2.0", "nearest")
    for spec in specs:
        assert (f"no kernel registry for {spec}." in target.match_reason) == (spec != "metal")
