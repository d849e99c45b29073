"""`opcheck ops`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Opcheck = Callable[..., tuple[int, str, str]]


def cells(out: str, first: str) -> list[list[str]]:
    """The rows of a table that start with ``first``."""
    lines = [line for line in out.splitlines() if line.startswith(first + "  ")]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def test_every_op(opcheck: Opcheck) -> None:
    code, out, err = opcheck("ops", "metal@1.2.0")
    assert (code, err) == (0, "")
    assert out.startswith("metal@1.2.0 (macOS 13+, arm64), beside TensorFlow 2.18.1: GPU has ")
    assert cells(out, "MatMul") == [["MatMul", "plugin", "T: float32, float16, bfloat16"]]
    assert cells(out, "Einsum") == []


def test_one_op_and_since_when(opcheck: Opcheck) -> None:
    """The table in Apple's METADATA: 'v2.13 v1.0.0 FP16 and BF16 support'."""
    code, out, _ = opcheck("ops", "metal@1.2.0", "--op", "Conv2D")
    assert code == 0
    since = {t: row[-1] for row in cells(out, "GPU") for t in row[2][3:].split(", ")}
    assert set(since) == {"float32", "float16", "bfloat16"}
    assert since["float32"].endswith("or earlier")
    assert since["bfloat16"] == "0.8.0"


def test_what_went_and_came_back(opcheck: Opcheck) -> None:
    """Abs of float16 is in the wheel of 0.5.1, and again from 0.8.0 on (targets/data)."""
    since = {row[2]: row[-1] for row in cells(opcheck("ops", "metal", "--op", "Abs").out, "GPU")}
    assert since["T: float16"] == "0.5.1 only, 0.8.0"
    here, _, other = opcheck("ops", "metal@0.6.0", "--op", "Abs").out.partition(
        "Not on metal@0.6.0"
    )
    assert "float16" not in here
    assert "but on other versions of metal" in other
    assert ["T: float16", "-", "0.5.1 only, 0.8.0"] in [row[2:] for row in cells(other, "GPU")]


def test_one_op_of_an_old_version_tells_what_came_later(opcheck: Opcheck) -> None:
    here, _, later = opcheck("ops", "metal@1.0.1", "--op", "CudnnRNN").out.partition("Not on")
    assert [row[2] for row in cells(here, "GPU")] == ["T: float32"]
    assert cells(later, "GPU") == [["GPU", "plugin", "T: float16, bfloat16", "-", "1.1.0"]]


@pytest.mark.parametrize(
    "words",
    [
        ("metal", "--op", "Pack"),
        ("metal@1.0.0", "--op", "AssignVariableOp"),
        ("metal", "--op", "StridedSlice"),
        ("metal", "--op", "ArgMax"),
        ("metal",),
        ("directml", "--op", "Conv2D"),
        ("--compare", "metal@1.0.1", "metal@1.2.0"),
    ],
)
def test_a_terminal_of_80_columns(
    words: tuple[str, ...], opcheck: Opcheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opcheck.cli.outputs.terminal_width", lambda: 80)
    lines = opcheck("ops", *words).out.splitlines()
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("words", [("metal@9.9",), ("metal@9.9", "--op", "MatMul")])
def test_nearest_is_said_first(words: tuple[str, ...], opcheck: Opcheck) -> None:
    assert opcheck("ops", *words)[0] == 2
    code, out, err = opcheck("ops", *words, "--nearest")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == (
        "match: nearest. opcheck has no kernel registry for metal@9.9. This is metal@1.2.0."
    )


def test_nearest_of_two_compared(opcheck: Opcheck) -> None:
    out = opcheck("ops", "--compare", "metal@1.0.9", "metal", "--nearest").out
    assert out.startswith(
        "match: nearest. opcheck has no kernel registry for metal@1.0.9. This is "
    )


def test_an_op_that_works_in_host_memory(opcheck: Opcheck) -> None:
    out = opcheck("ops", "metal@1.2.0", "--op", "Pack").out
    assert {row[0] for row in cells(out, "DEFAULT")} == {"DEFAULT"}
    assert "output, values" in out


@pytest.mark.parametrize(
    ("target", "op", "said"),
    [
        ("metal", "Einsum", "no kernel for Einsum on GPU. It falls back to the CPU (T: float32,"),
        ("directml", "CudnnRNN", "no kernel for CudnnRNN on GPU, and none on the CPU: it fails."),
    ],
)
def test_an_op_that_is_not_there(target: str, op: str, said: str, opcheck: Opcheck) -> None:
    code, out, _ = opcheck("ops", target, "--op", op)
    assert code == 0
    assert said in out


def test_an_op_that_does_not_exist_is_not_unsupported(opcheck: Opcheck) -> None:
    code, out, err = opcheck("ops", "metal", "--op", "matmul")
    assert (code, out) == (3, "")
    assert "has no op matmul. Did you mean MatMul?" in err


@pytest.mark.parametrize("target", ["metal@1.2.0,macos=12", "metal@0.6.0"])
def test_what_a_newer_system_has(target: str, opcheck: Opcheck) -> None:
    op = ("--op", "StatelessRandomUniformV2")
    here, _, other = opcheck("ops", target, *op).out.partition("Not on ")
    assert "falls back to the CPU" in here
    assert "but on other versions of metal or another system" in other
    assert ["macOS 13 or newer", "0.7.0"] in [row[-2:] for row in cells(other, "GPU")]
    assert ["macOS 13 or newer", "0.7.0"] in [
        row[-2:] for row in cells(opcheck("ops", "metal", *op).out, "GPU")
    ]


def test_compare(opcheck: Opcheck) -> None:
    code, out, err = opcheck("ops", "--compare", "metal@1.2.0,macos=12", "metal@1.2.0")
    assert (code, err) == (0, "")
    assert out.startswith("10 ops: not alike on metal@1.2.0 (macOS 12, arm64) and on ")
    (row,) = cells(out, "StatelessRandomUniformV2")
    assert row == ["StatelessRandomUniformV2", "-", "dtype: float32, float16"]
    assert "changed in" not in out


def test_compare_shows_what_differs(opcheck: Opcheck) -> None:
    out = opcheck("ops", "--compare", "metal@1.0.1", "metal@1.1.0").out
    assert cells(out, "Abs") == [["Abs", "-", "T: int64", "1.1.0"]]
    assert cells(out, "CudnnRNN") == [["CudnnRNN", "-", "T: float16, bfloat16", "1.1.0"]]
    assert cells(out, "Square") == [["Square", "-", "-", "host memory", "1.1.0"]]
    assert cells(out, "MatMul") == []


def test_compare_one_op(opcheck: Opcheck) -> None:
    out = opcheck("ops", "--compare", "metal", "directml", "--op", "Elu").out
    assert cells(out, "Elu")[0][:2] == ["Elu", "-"]
    assert opcheck("ops", "--compare", "metal", "metal", "--op", "Elu").out == (
        "metal@1.2.0 (macOS 13+, arm64) and metal@1.2.0 (macOS 13+, arm64) have the same kernels "
        "for Elu.\n"
    )


@pytest.mark.parametrize(
    "words", [(), ("metal", "--compare", "metal", "directml"), ("--compare", "metal")]
)
def test_wrong_usage(words: tuple[str, ...], opcheck: Opcheck) -> None:
    assert opcheck("ops", *words)[0] == 3
