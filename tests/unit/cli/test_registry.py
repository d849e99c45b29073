"""`opcheck registry`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Opcheck = Callable[..., tuple[int, str, str]]


def exported(opcheck: Opcheck, *words: str) -> list[dict]:
    code, out, err = opcheck("registry", "export", *words, "--format", "json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_export_of_the_plugin(opcheck: Opcheck) -> None:
    rows = exported(opcheck, "metal@1.2.0,macos=13", "--layer", "plugin")
    assert len(rows) == 561
    assert {row["origin"] for row in rows} == {"plugin"}
    assert {
        "op": "MatMul",
        "device": "GPU",
        "constraints": {"T": ["bfloat16"]},
        "host_memory": [],
        "priority": 0,
        "label": "",
        "origin": "plugin",
        "requires": None,
    } in rows


def test_export_has_what_the_system_has(opcheck: Opcheck) -> None:
    old = exported(opcheck, "metal@1.2.0,macos=12,arch=arm64", "--layer", "plugin")
    new = exported(opcheck, "metal@1.2.0,macos=13", "--layer", "plugin")
    assert [row for row in old if row not in new] == []
    added = [row for row in new if row not in old]
    assert len(added) == 24
    assert all(row["requires"] == {"macos": ">=13"} for row in added)


def test_export_of_all_is_both_layers(opcheck: Opcheck) -> None:
    plugin, core, both = (
        exported(opcheck, "directml", "--layer", layer) for layer in ("plugin", "core", "all")
    )
    assert exported(opcheck, "directml") == both
    assert len(plugin) + len(core) == len(both)
    assert {row["origin"] for row in core} == {"core"}
    assert {row["device"] for row in core} == {"CPU", "GPU", "DEFAULT"}


def test_export_is_in_one_order(opcheck: Opcheck) -> None:
    rows = opcheck("registry", "export", "metal").out.splitlines()[1:-1]
    assert [row.rstrip(",") for row in rows] == sorted(row.rstrip(",") for row in rows)


def test_export_to_a_file(opcheck: Opcheck, tmp_path: Path) -> None:
    assert opcheck("registry", "export", "directml", "-o", "x.json") == (0, "", "")
    assert json.loads((tmp_path / "x.json").read_text("utf-8"))


def test_export_of_an_unknown_target(opcheck: Opcheck) -> None:
    code, out, err = opcheck("registry", "export", "metal@9.9")
    assert (code, out) == (2, "")
    assert "metal@1.2.0" in err


def test_export_of_the_nearest(opcheck: Opcheck) -> None:
    code, out, err = opcheck("registry", "export", "metal@9.9", "--nearest", "--layer", "plugin")
    assert code == 0
    assert out == opcheck("registry", "export", "metal@1.2.0", "--layer", "plugin").out
    assert err.startswith("opcheck: match: nearest. opcheck has no kernel registry for metal@9.9.")


@pytest.mark.parametrize(
    "words", [(), ("export",), ("extract",), ("exprot", "metal"), ("export", "metal", "-f", "text")]
)
def test_wrong_usage(words: tuple[str, ...], opcheck: Opcheck) -> None:
    assert opcheck("registry", *words)[0] == 3


def test_extract_without_the_extra(opcheck: Opcheck, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("opcheck.extract")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("lief", "platformdirs", "unicorn"):
        monkeypatch.setitem(sys.modules, name, None)
    code, out, err = opcheck("registry", "extract", "x.whl")
    assert (code, out) == (2, "")
    assert "pip install 'opcheck[extract]'" in err
