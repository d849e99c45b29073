"""The record of the proof: every fixture, on every target, each op where it was predicted."""

from __future__ import annotations

from collections import defaultdict

import pytest

from .conftest import FIXTURES, NO_MODEL
from .proof import RECORD, FixtureProof, fixtures
from .records import Record

# Beside the TensorFlow that each is made for, or the nearest that opcheck is tested with.
TARGETS = {"metal@1.2.0", "metal@1.2.0,macos=12", "metal@1.0.1", "directml@0.4.0"}

OPENED_NOWHERE = (
    "custom_inverse-k2.12",
    "experimental_rnn",
    "experimental_sequence",
    "functional_ops-k3.15.h5",
    "lambda_model",
    "subclassed-k3.15.keras",
    "transformer_block-k2.4.h5",
)

# Where a step stops on the real device as well, and what then cannot be compared.
STOPS = (
    "No OpKernel was registered to support Op 'CudnnRNN'",
    "Could not find compiler for platform",
)


def test_every_target_is_recorded() -> None:
    assert {record.target for record in RECORD.read()} == TARGETS


@pytest.mark.parametrize("record", RECORD.read(), ids=lambda record: record.target)
def test_every_op_of_every_fixture_is_where_it_was_predicted(record: Record[FixtureProof]) -> None:
    assert set(record.results) == set(fixtures())
    compared = 0
    for name, found in record.results.items():
        assert found.steps or found.refused, name
        for step, proof in found.steps.items():
            where = (name, step)
            assert proof.unlike == (), where
            if proof.absent is not None:
                assert name.endswith(".pb"), where  # a frozen graph has no training step
            elif proof.stopped is not None:
                assert any(words in proof.stopped for words in STOPS), where
            else:
                assert (proof.agreed, proof.left) == (proof.ops, {}), where
                assert proof.ops > 0, where
                compared += proof.ops
    assert compared > 20_000


def test_nearly_every_model_is_compared_somewhere() -> None:
    """The others are of classes that their file does not hold, or no Keras here opens them."""
    steps: defaultdict[str, set[str]] = defaultdict(set)
    for record in RECORD.read():
        for name, found in record.results.items():
            steps[name] |= {step for step, proof in found.steps.items() if proof.agreed}
    models = [name for name in fixtures() if not name.startswith(NO_MODEL)]
    missing = {name for name in models if "inference" not in steps[name]}
    assert all(name.startswith(OPENED_NOWHERE) for name in missing), missing
    untrained = {name for name in models if "training" not in steps[name]} - missing
    assert all(name.endswith(".pb") for name in untrained)


def test_what_only_tensorflow_adds_is_built_as_well() -> None:
    """But for NoOps, and calls whose bodies are placed on their own."""
    built = sum(
        p.built for r in RECORD.read() for f in r.results.values() for p in f.steps.values()
    )
    assert built > 10_000


def test_the_fixtures_are_all_there() -> None:
    assert len(fixtures()) > 140
    assert all((FIXTURES / name).exists() for name in fixtures())
