"""``opcheck check`` end to end, with TensorFlow: a few models, every kind of file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from installed_command import FIXTURES, OPCHECK, Ran, Runner, environment, run

# Each starts TensorFlow once (seconds), so every one stands for a way of opening a model.
MODELS = {
    "transformer_block-k3.15.keras": (),  # built by Keras 3
    "text_classifier-k2.2.4.h5": (),  # built by tf_keras or Keras 3, from the oldest files
    "cnn3d-k2.15.keras": (),
    "lambda_model-k3.15.keras": (),  # its code must not run
    "custom_inverse-k3.15.keras": ("--custom-objects", "custom_layers"),
    "subclassed-k2.15-savedmodel": (),  # its stored functions are analysed
    "mnist_cnn-k2.10.pb": (),
}
KERAS_3 = "transformer_block-k3.15.keras"


@dataclass(frozen=True)
class Checked:
    """How the command ended, and its JSON and its text report, both of that one run."""

    ran: Ran
    document: dict[str, Any]
    text: str


Reports = Callable[[str], Checked]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    """``reports(name)``. All run in the background, two at a time."""
    folders = {name: tmp_path_factory.mktemp("reports") for name in MODELS}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = {name: pool.submit(check, name, folder) for name, folder in folders.items()}
        yield lambda name: pending[name].result()


def check(name: str, folder: Path) -> Checked:
    command = [str(OPCHECK), "check", str(FIXTURES / name), *MODELS[name], "--fail-on", "never"]
    outputs = ["--format", "json", "-o", "report.json", "--format", "text", "-o", "report.txt"]
    ran = run([*command, *outputs], folder, environment(PYTHONPATH=str(FIXTURES)))
    assert {path.name for path in folder.iterdir()} == {"report.json", "report.txt"}, ran.err
    return Checked(
        ran,
        json.loads((folder / "report.json").read_text(encoding="utf-8")),
        (folder / "report.txt").read_text(encoding="utf-8"),
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_report(name: str, reports: Reports, validate: Callable[..., None]) -> None:
    checked = reports(name)
    ran, document, text = checked.ran, checked.document, checked.text
    validate(document)
    assert ran.out == ""
    assert ran.err == ""
    assert name in text
    steps = [(result["target"], result["step"]) for result in document["results"]]
    assert ("metal@1.2.0", "inference") in steps
    assert ("directml@0.4.0", "inference") in steps
    for result in document["results"]:
        assert result["summary"]["ops"] == len(result["ops"])
        if result["step"] == "inference":
            assert result["ops"]
            assert result["trace"]["executed"], result["trace"]["error"]
        for op in result["ops"]:
            assert op["reason"]["code"]
            assert op["reason"]["message"]


@pytest.mark.parametrize("name", MODELS)
def test_the_exit_code_is_the_verdict(name: str, reports: Reports) -> None:
    """With --fail-on never only what could not be determined fails: exit code 2."""
    ran, document = reports(name).ran, reports(name).document
    incomplete = any(
        result["incomplete"] or result["summary"]["unknown"] for result in document["results"]
    )
    assert document["verdict"]["passed"] == (not incomplete)
    assert ran.code == (2 if incomplete else 0)


@pytest.mark.parametrize("name", [KERAS_3, "text_classifier-k2.2.4.h5", "cnn3d-k2.15.keras"])
def test_builtin_layers_are_determined_completely(name: str, reports: Reports) -> None:
    ran, document = reports(name).ran, reports(name).document
    assert [result["incomplete"] for result in document["results"]] == [[]] * 4
    assert ran.code == 0


def test_einsum_leaves_metal(reports: Reports) -> None:
    verdicts = ops(reports(KERAS_3).document, "metal@1.2.0", "Einsum")
    assert {op["verdict"] for op in verdicts} == {"cpu"}
    assert all("Einsum" in op["reason"]["message"] for op in verdicts)
    assert "Einsum" in reports(KERAS_3).text


@pytest.mark.parametrize(("target", "verdict"), [("metal", "cpu"), ("directml", "accelerator")])
def test_elu(target: str, verdict: str, reports: Reports) -> None:
    document = reports("cnn3d-k2.15.keras").document
    (full,) = {r["target"] for r in document["results"] if r["target"].startswith(target)}
    assert {op["verdict"] for op in ops(document, full, "Elu")} == {verdict}


def test_other_versions_are_named(reports: Reports) -> None:
    document, text = reports(KERAS_3).document, reports(KERAS_3).text
    mismatch = document["environment"]["mismatch"]
    assert {m["package"] for m in mismatch if m["target"] == "directml@0.4.0"} == {
        "TensorFlow",
        "Keras",
    }
    assert "the op sets may differ" in " ".join(text.split())


def test_a_report_is_rendered_again(reports: Reports, opcheck: Runner, tmp_path: Path) -> None:
    document, text = reports(KERAS_3).document, reports(KERAS_3).text
    (tmp_path / "report.json").write_text(json.dumps(document), encoding="utf-8")
    again = opcheck("report", "report.json", "-f", "html", "-o", "report.html")
    assert (again.code, again.err) == (0, "")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The Cytoscape Consortium" in page  # the wheel brings the library and its licence
    again = opcheck("report", "report.json")
    assert (again.code, again.err) == (0, "")
    assert again.out == text


def test_the_gate(opcheck: Runner) -> None:
    """Without --fail-on: Einsum in attention is what a report is for, and standard output is it."""
    ran = opcheck(FIXTURES / KERAS_3, "-t", "metal", "--step", "inference", "--format", "json")
    assert ran.err == ""
    document = ran.json()
    assert [result["step"] for result in document["results"]] == ["inference"]
    errors = [f for r in document["results"] for f in r["findings"] if f["severity"] == "error"]
    assert ran.code == (1 if errors else 0)
    assert document["verdict"]["passed"] == (not errors)


def test_on_an_emulated_device(opcheck: Runner, tmp_path: Path) -> None:
    """TensorFlow's own placer, with the kernels of the target: it and the prediction agree."""
    ran = opcheck(
        *(FIXTURES / KERAS_3, "-t", "metal", "--evidence", "traced", "--format", "json"),
        OPCHECK_CACHE_DIR=str(tmp_path),
    )
    document = ran.json()
    assert [result["evidence"] for result in document["results"]] == ["emulated"] * 2
    assert [result["disagreements"] for result in document["results"]] == [[], []]
    assert {op["evidence"] for op in ops(document, "metal@1.2.0", "Einsum")} == {"emulated"}
    assert {op["verdict"] for op in ops(document, "metal@1.2.0", "Einsum")} == {"cpu"}


def test_a_model_made_by_code(opcheck: Runner, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import keras\n"
        "print('printed by the model, not by opcheck')\n"
        "def build_model():\n"
        "    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])\n"
    )
    ran = opcheck("mine:build_model", "-t", "metal", "--step", "inference", "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json()["model"]["format"] == "factory"


def test_what_is_no_model(opcheck: Runner) -> None:
    for name in ("mnist_cnn_weights-k2.10.h5", "mnist_cnn-k3.15-checkpoint"):
        ran = opcheck(FIXTURES / name)
        assert (ran.code, ran.out) == (2, "")
        assert "holds only weights" in ran.err


def test_a_time_limit(opcheck: Runner) -> None:
    ran = opcheck(FIXTURES / KERAS_3, "--timeout", "0.5")
    assert (ran.code, ran.out) == (2, "")
    assert "--timeout" in ran.err


def test_a_terminal_of_few_letters(opcheck: Runner) -> None:
    ran = opcheck("inspect", FIXTURES / KERAS_3, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (ran.code, ran.err) == (0, "")


def ops(document: dict[str, Any], target: str, op_type: str) -> list[dict[str, Any]]:
    found = [
        op
        for result in document["results"]
        if result["target"] == target
        for op in result["ops"]
        if op["op"] == op_type
    ]
    assert found
    return found
