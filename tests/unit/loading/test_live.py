"""What is taken from a live model. That Keras gives it: tests/tf/test_live_models.py."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from opcheck.loading import live


def test_numpy_numbers_of_the_compile_config_stay_numbers() -> None:
    """As Keras saves them; what else is no JSON becomes text."""
    stored = {
        "optimizer": {"learning_rate": np.float64(0.01), "decay_steps": np.int64(100)},
        "loss_weights": [np.float32(0.5), np.array([1, 2])],
        "jit_compile": np.bool_(False),
        "dtype": np.dtype("float32"),
    }
    model = SimpleNamespace(optimizer=object(), get_compile_config=lambda: stored)
    training, notes = live._training(model)
    assert training == {
        "optimizer": {"learning_rate": 0.01, "decay_steps": 100},
        "loss_weights": [0.5, [1, 2]],
        "jit_compile": False,
        "dtype": "float32",
    }
    assert notes == ()
