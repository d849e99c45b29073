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
    assert "on metal@1.2.0" in opcheck("graph", "report.json", "-t", "metal@1.2.0,macos=13")[1]
    code, out, err = opcheck("graph", "report.json", "-t", "directml", "--step", "training")
    assert (code, out) == (2, "")
    assert "cannot be drawn: ValueError: no gradient" in err
    code, _, err = opcheck("graph", "report.json", "-t", "metal@0.8.0")
    assert code == 2
    assert "no inference on metal@0.8.0" in err


def test_wrong_usage(opcheck: Opcheck) -> None:
    assert opcheck("graph", MODEL, "--depth", "0")[0] == 3
    assert opcheck("graph", MODEL, "-o", "missing/graph.svg")[0] == 3
    assert opcheck("graph", str(FIXTURES / "mnist_cnn-k2.10.pb"))[0] == 2
