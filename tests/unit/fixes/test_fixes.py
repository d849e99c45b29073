"""Which rewrite is for which layer and target. That they are right: tests/tf/test_fixes.py."""

from __future__ import annotations

import pytest

from opcheck.fixes import REWRITES, advice, off_the_fused_path, rewrite_for
from opcheck.targets import resolve

METAL, DIRECTML = resolve("metal@1.2.0"), resolve("directml@0.4.0")
CELL = {"class_name": "LSTMCell", "config": {"activation": "tanh"}}


@pytest.mark.parametrize(
    ("class_name", "config", "major", "metal", "directml"),
    [
        (
            "MultiHeadAttention",
            {"attention_axes": None},
            3,
            "attention-by-matmul",
            "attention-by-matmul",
        ),
        ("MultiHeadAttention", {"attention_axes": [1, 2]}, 2, None, None),
        (
            "EinsumDense",
            {"equation": "abc,cd->abd"},
            2,
            "einsum-dense-by-dense",
            "einsum-dense-by-dense",
        ),
        ("EinsumDense", {"equation": "abc,cd->adb"}, 2, None, None),
        ("EinsumDense", {"equation": "abc,bcd->abd"}, 2, None, None),
        ("EinsumDense", {"equation": "...x,xy->...y"}, 2, None, None),
        ("EinsumDense", {"equation": "abc,cd->abd", "bias_axes": "bd"}, 2, None, None),
        ("Dense", {"activation": "elu"}, 3, "elu-by-primitives", None),
        ("Dense", {"activation": "relu"}, 3, None, None),
        ("ELU", {"alpha": 0.1}, 2, "elu-by-primitives", None),
        ("BatchNormalization", {"activation": "elu"}, 3, None, None),
        (
            "Conv2D",
            {"groups": 2},
            3,
            "grouped-convolution-apart",
            "grouped-convolution-apart",
        ),
        ("Conv2D", {"groups": 1}, 3, None, None),
        ("Conv3D", {"groups": 1}, 3, "conv-3d-by-2d", None),
        ("Conv3D", {"dilation_rate": [2, 1, 1]}, 3, None, None),
        ("MaxPooling3D", {"data_format": "channels_first"}, 3, None, None),
        ("LSTM", {"activation": "tanh"}, 2, None, "recurrent-by-cell"),
        ("LSTM", {"activation": "relu"}, 2, None, None),
        ("LSTM", {"unroll": True}, 3, "recurrent-fused", None),
        (
            "Bidirectional",
            {"layer": {"class_name": "GRU", "config": {}}},
            2,
            None,
            "recurrent-by-cell",
        ),
        ("RNN", {"cell": CELL}, 3, "recurrent-fused", None),
        ("Resizing", {"interpolation": "bilinear"}, 3, None, None),
    ],
)
def test_which_layer_gets_which(
    class_name: str,
    config: dict[str, object],
    major: int,
    metal: str | None,
    directml: str | None,
) -> None:
    found = [rewrite_for(class_name, config, major, target) for target in (METAL, DIRECTML)]
    assert [rewrite and rewrite.name for rewrite in found] == [metal, directml]


def test_names_are_unique_and_nothing_is_cured_by_itself() -> None:
    names = [rewrite.name for rewrite in REWRITES]
    assert len(set(names)) == len(names)
    for rewrite in REWRITES:
        assert rewrite.advice.endswith(".")
        assert not set(rewrite.cures) & set(rewrite.needs)


@pytest.mark.parametrize(
    ("class_name", "config", "causes"),
    [
        ("LSTM", {}, ()),
        ("LSTM", {"recurrent_dropout": 0.2, "unroll": True}, ("recurrent_dropout", "unroll")),
        ("GRU", {"reset_after": False}, ("reset_after",)),
        ("LSTM", {"reset_after": False}, ()),
        ("GRUCell", {"use_bias": False, "activation": "relu"}, ("activation", "use_bias")),
        ("LSTM", {"recurrent_activation": "hard_sigmoid"}, ("recurrent_activation",)),
    ],
)
def test_what_rules_the_fused_kernel_out(
    class_name: str, config: dict[str, object], causes: tuple[str, ...]
) -> None:
    assert off_the_fused_path(class_name, config) == causes


def test_advice_is_for_the_layer_and_for_the_target() -> None:
    assert "EinsumDense" in (advice("Einsum", METAL, "EinsumDense") or "")
    assert "MultiHeadAttention" in (advice("Einsum", METAL, "MultiHeadAttention") or "")
    assert advice("Elu", METAL) is not None
    assert advice("Elu", DIRECTML) is None  # it has the kernel
    assert advice("Round", METAL) is None
