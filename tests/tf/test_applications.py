"""Ten of keras.applications on the emulated device; ``nox -s applications`` runs all."""

from __future__ import annotations

import pytest

from .applications import RECORD, ModelResult, explanations, installed, problems, run
from .conftest import KERAS, TENSORFLOW
from .test_emulator import TARGET

TEN = (
    "ConvNeXtTiny",
    "EfficientNetB0",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "ResNet50",
    "ResNet50V2" if KERAS[0] == 3 else "RegNetX002",
    "VGG16",
    "Xception",
)

# What noxfile.py runs all of keras.applications on.
TARGETS = {
    (2, 10): {"directml@0.4.0"},
    (2, 15): {"metal@1.0.1"},
    (2, 18): {"metal@1.2.0", "metal@1.2.0,macos=12"},
    (2, 21): {"metal@1.2.0"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelResult]:
    return dict(run(TEN, TARGET, tmp_path_factory.mktemp("applications")))


@pytest.mark.parametrize("name", TEN)
def test_both_steps_are_as_predicted_or_stop_as_explained(
    name: str, results: dict[str, ModelResult]
) -> None:
    assert problems(name, TARGET, results[name], f"{KERAS[0]}.") == []
    assert {"inference", "training"} == results[name].steps.keys()
    for step in results[name].steps.values():
        assert step.compared > 0.5 * step.ops > 0
        assert step.on_accelerator > 0


def test_every_recorded_model_is_as_explained() -> None:
    records = RECORD.read()
    for record in records:
        for name, result in record.results.items():
            found = problems(name, record.target, result, record.keras)
            assert found == [], (record.tensorflow, record.target, name)
    assert records


def test_every_architecture_is_recorded() -> None:
    tensorflow, keras, names = installed()
    records = {
        r.target: r for r in RECORD.read() if r.tensorflow == tensorflow and r.keras == keras
    }
    assert records.keys() == TARGETS[TENSORFLOW]
    for target, record in records.items():
        assert record.results.keys() == set(names), target


def test_every_explanation_is_needed() -> None:
    for explanation in explanations():
        assert any(
            name.startswith(explanation.models)
            for record in RECORD.read()
            if record.keras.startswith(f"{explanation.keras}.")
            and record.target.startswith(explanation.plugins)
            for name in record.results
        )
