"""``opcheck graph``."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from opcheck.report import Report

Opcheck = Callable[..., tuple[int, str, str]]
FIXTURES = Path(__file__).parents[3] / "fixtures"
MODEL = str(FIXTURES / "transformer_block-k3.15.keras")


def test_a_model_file_needs_no_check(opcheck: Opcheck) -> None:
    code, out, err = opcheck("graph", MODEL)
    assert (code, err) == (0, "")
    assert "feed_forward/dense" in "".join(ET.fromstring(out).itertext())
    assert "feed_forward/" not in opcheck("graph", MODEL, "--depth", "1")[1]


def test_with_a_target_it_is_checked(
    opcheck: Opcheck, checked: list[tuple], tmp_path: Path
) -> None:
    code, out, _ = opcheck("graph", MODEL, "-t", "metal", "-o", "graph.svg")
    assert (code, out) == (0, "")
    ((spec, options),) = checked
    assert (spec, options.targets, options.step) == (MODEL, ("metal",), "inference")
    text = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert "inference on metal@1.2.0" in text


@pytest.mark.usefixtures("checked")
def test_a_target_may_be_named_as_one_likes(opcheck: Opcheck) -> None:
    """The check knows no other, and calls it by its label."""
    for name in ("metal,macos=13", "metal@1.2", "captured.json"):
        code, out, _ = opcheck("graph", MODEL, "-t", name)
        assert code == 0
        assert "inference on metal@1.2.0" in out


def test_it_is_checked_as_any_other(opcheck: Opcheck, checked: list[tuple], tmp_path: Path) -> None:
    (tmp_path / "opcheck.toml").write_text("custom-objects = ['theirs']\n", "utf-8")
    opcheck("graph", MODEL, "-t", "metal", "--batch-size", "8")
    opcheck("graph", MODEL, "-t", "metal", "--no-config", "--custom-objects", "mine")
    found = [(options.custom_objects, options.batch_size) for _, options in checked]
    assert found == [(("theirs",), 8), (("mine",), 2)]


def test_a_report_is_drawn_as_it_is(opcheck: Opcheck, report: Report, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(msgspec.json.encode(report))
    assert "inference on directml@0.4.0" in opcheck("graph", "report.json", "-t", "directml")[1]
    assert "on metal@1.2.0 (macOS 13+" in opcheck("graph", "report.json", "-t", "metal@1.2")[1]
    code, out, err = opcheck("graph", "report.json", "-t", "directml", "--step", "training")
    assert (code, out) == (2, "")
    assert "cannot be drawn: ValueError: no gradient" in err
    one = msgspec.structs.replace(report, results=report.results[1:])
    (tmp_path / "report.json").write_bytes(msgspec.json.encode(one))
    code, _, err = opcheck("graph", "report.json", "-t", "metal")
    assert code == 2
    assert "no inference on metal@1.2.0" in err


METAL, OWN = "metal@1.2.0,macos={},arch=arm64,tensorflow=2.18.1", "own.json,tensorflow=2.18.0"
SYSTEMS = {
    "metal@1.2.0,macos=13": METAL.format(13),
    "metal@1.2.0,macos=12": METAL.format(12),
    "directml@0.4.0": "directml@0.4.0,tensorflow=2.10.0",
    "metal@1.3.0": OWN,
    "metal@1.1.0": "",
}


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("metal@1.2.0,macos=13", 0, "metal@1.2.0,macos=13"),
        ("metal@1.2,macos=12.6,arch=arm64", 0, "metal@1.2.0,macos=12"),
        ("metal@1.2.0,tensorflow=2.18,macos=15", 0, "metal@1.2.0,macos=13"),
        ("directml,arch=x86_64,tensorflow=2.10", 0, "directml@0.4.0"),
        ("directml@0.4.0.dev230202", 0, "directml@0.4.0"),
        ("folder/own.json", 0, "metal@1.3.0"),
        ("metal@1.3.0,tensorflow=2.18.0", 0, "metal@1.3.0"),
        ("metal@1.1", 0, "metal@1.1.0"),
        ("metal@1.1.0,macos=13", 2, "no target metal@1.1.0,macos=13. It has metal@1.2.0,macos=13,"),
        ("metal@1.2.0,macos=11", 2, "no target"),
        ("metal@1.2.0,arch=x86_64", 2, "no target"),
        ("metal@1.2.0,tensorflow=2.1", 2, "no target"),
        ("metal@1.3.0,macos=13", 2, "no target"),
        ("metal@0.8.0", 2, "no target"),
        ("other.json", 2, "no target"),
        ("metal@1.2.0", 3, "Name one of metal@1.2.0,macos=13, metal@1.2.0,macos=12.\n"),
        ("metal@1.2.0,macos=banana", 3, "'banana' is no macOS version"),
    ],
)
def test_a_target_of_a_report_is_named_as_for_a_check(
    name: str, code: int, says: str, opcheck: Opcheck, report: Report, tmp_path: Path
) -> None:
    results = tuple(
        msgspec.structs.replace(report.results[0], target=label, description=label, kernels=kernels)
        for label, kernels in SYSTEMS.items()
    )
    several = msgspec.structs.replace(report, results=results)
    (tmp_path / "report.json").write_bytes(msgspec.json.encode(several))
    ended, out, err = opcheck("graph", "report.json", "-t", name)
    assert ended == code
    assert (f"inference on {says}</title>" in out) if code == 0 else (says in err)
    assert opcheck("diff", "report.json", "-t", name, "-t", name)[0] == code


def test_wrong_usage(opcheck: Opcheck) -> None:
    assert opcheck("graph", MODEL, "--depth", "0")[0] == 3
    assert opcheck("graph", MODEL, "-o", "missing/graph.svg")[0] == 3
    assert opcheck("graph", str(FIXTURES / "mnist_cnn-k2.10.pb"))[0] == 2
