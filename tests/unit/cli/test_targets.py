"""`opcheck targets`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from opcheck.targets import known_targets, resolve

Opcheck = Callable[..., tuple[int, str, str]]


def test_a_line_a_target(opcheck: Opcheck) -> None:
    code, out, err = opcheck("targets")
    assert (code, err) == (0, "")
    table, *blocks = out.split("\n\n")
    lines = [line.split() for line in table.splitlines()[2:]]
    listed = [line for line in lines if "@" in line[0]]  # the others go on with a cell
    for line, target in zip(listed, known_targets(), strict=True):
        assert line[: 1 + bool(target.arch)] == [target.label, *filter(None, [target.arch])]
    (newest,) = (line for line in lines if line[0] == "metal@1.2.0" and line[1] == "arm64")
    assert newest[-2:] == ["184", "561"]
    cores = {pairing.core for target in known_targets() for pairing in target.pairings}
    assert len(blocks) == 1 + len(known_targets()) + len(cores)


def test_each_says_where_it_is_from(opcheck: Opcheck) -> None:
    blocks = opcheck("targets").out.split("\n\n")
    for target in known_targets():
        name = f"{target.label} {target.arch or ''}".rstrip()
        (block,) = (b for b in blocks if b.splitlines()[0] == name)
        for source in resolve(
            f"{target.label},arch={target.arch}" if target.arch else target.label
        ).provenance:
            if source.member.startswith("tensorflow-plugins"):
                assert source.wheel in block
                assert f"sha256  {source.sha256}" in block
                assert f"{source.kernels} kernels of {source.ops} ops, {source.method}" in block
        assert all(f"beside  TensorFlow {p.tensorflow}. " in block for p in target.pairings)


def test_json(opcheck: Opcheck) -> None:
    listed = json.loads(opcheck("targets", "--format", "json").out)
    assert [(t["target"], t["arch"]) for t in listed] == [
        (t.label, t.arch) for t in known_targets()
    ]
    for target in listed:
        own = target["provenance"]
        core = [source for beside in target["beside"] for source in beside["provenance"]]
        for source in own + core:
            assert len(source["sha256"]) == 64
            assert source["wheel"].endswith(".whl")
            assert source["method"]
            assert source["ops"] and source["kernels"] >= source["ops"]
        assert all(beside["tensorflow"] and beside["source"] for beside in target["beside"])


def test_the_counts_are_those_of_the_registry(opcheck: Opcheck) -> None:
    """What is exported on the newest system is all that was recovered: no kernel ends with one."""
    (metal,) = (
        t
        for t in json.loads(opcheck("targets", "-f", "json").out)
        if (t["target"], t["arch"]) == ("metal@1.2.0", "arm64")
    )
    for layer, sources in (
        ("plugin", metal["provenance"]),
        ("core", metal["beside"][0]["provenance"]),
    ):
        words = ("registry", "export", "metal@1.2.0,arch=arm64", "--layer", layer)
        assert len(json.loads(opcheck(*words).out)) == sum(s["kernels"] for s in sources)


def test_to_files(opcheck: Opcheck, tmp_path: Path) -> None:
    words = ("-f", "text", "-f", "json", "-o", "targets.txt", "-o", "targets.json")
    assert opcheck("targets", *words) == (0, "", "")
    assert json.loads((tmp_path / "targets.json").read_text("utf-8"))


def test_80_columns(opcheck: Opcheck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opcheck.cli.outputs.terminal_width", lambda: 80)
    lines = opcheck("targets").out.splitlines()
    long = [line for line in lines if len(line) > 80]
    assert [line for line in long if line.split()[0] not in ("wheel", "library")] == []  # to copy
