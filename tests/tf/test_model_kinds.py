"""Models whose inputs, step or signatures are not those of a plain file: each works, or the report
says what it could not do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from opcheck.errors import BuildError, UsageError
from opcheck.loading import read
from opcheck.worker.answer import answer
from opcheck.worker.protocol import InputSpec, Step, TracedStep, WorkerReply, WorkerRequest

from .conftest import BATCH, KERAS, TENSORFLOW

HERE = Path(__file__).parent
INPUTS = {
    "never_called+said": ("features=2,3",),
    "never_called+two": ("left=2,3", "right=2,3:int32"),
    "called+said": ("features=7,3",),
    "called+wrong": ("features=7,4",),
    "called+unknown": ("images=2,3",),
    "called+typed": ("features=7,3:int32",),
}
FILES = {
    "called+floats": {"features": np.zeros((7, 3))},
    "called+integers": {"features": np.zeros((7, 3), "int32")},
}
KINDS = (
    "never_called",
    "called",
    "called_with_a_dictionary",
    "eager",
    "with_xla",
    "sparse",
    "losses_by_name",
)

Reply = Callable[[str], WorkerReply]


@pytest.fixture(scope="module")
def reply(tmp_path_factory: pytest.TempPathFactory) -> Reply:
    """The worker's answer for a factory of model_kinds.py; ``+`` names what is said of its inputs.

    Raises what a check would.
    """
    root = tmp_path_factory.mktemp("kinds")
    for name in (*KINDS, *INPUTS, *FILES):
        folder = root / name
        folder.mkdir()
        if name in FILES:
            np.savez(folder / "values.npz", **FILES[name])
        request = WorkerRequest(
            read(f"model_kinds:{name.partition('+')[0]}"),
            ("inference", "training"),
            inputs=tuple(map(InputSpec.parse, INPUTS.get(name, ()))),
            input_file=str(folder / "values.npz") if name in FILES else None,
            search_path=(str(HERE),),
        )
        (folder / "request.json").write_bytes(msgspec.json.encode(request))
    with (root / "output").open("wb") as output:
        subprocess.run(
            [sys.executable, str(BATCH), *(str(root / name) for name in (*KINDS, *INPUTS, *FILES))],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdout=output,
            stderr=output,
            check=True,
        )

    def of(name: str) -> WorkerReply:
        crash = root / name / "crash"
        assert not crash.exists(), crash.read_text()
        return answer(root / name, 0, WorkerReply)

    return of


def step(reply: WorkerReply, name: Step) -> TracedStep:
    (found,) = (each for each in reply.steps if each.step == name)
    assert found.error is None, found.error
    assert found.executed
    return found


def ops(step: TracedStep) -> set[str]:
    assert step.graph is not None
    return {node.op for f in (step.graph.main, *step.graph.functions) for node in f.nodes}


@pytest.mark.parametrize(
    "name",
    ["called", "called+said", "called_with_a_dictionary", "never_called+said", "never_called+two"],
)
def test_a_subclassed_model_runs_its_own_step(name: str, reply: Reply) -> None:
    found = reply(name)
    assert "Elu" in ops(step(found, "inference"))
    training = step(found, "training")
    assert {"Elu", "EluGrad", "Softplus"} <= ops(training)
    assert training.defaults == ()  # its train_step needs no loss, so none is made up
    assert training.batch_size == (7 if name == "called+said" else 2)
    assert {layer.class_name for layer in found.layers} == {"Dense"}


def test_without_any_shape_it_says_what_to_do(reply: Reply) -> None:
    with pytest.raises(BuildError, match="no input shape") as raised:
        reply("never_called")
    assert raised.value.hint is not None
    assert "--input" in raised.value.hint


def test_what_is_said_of_a_called_model_must_fit_it(reply: Reply) -> None:
    with pytest.raises(UsageError, match=r"'features' of the model is \?,3:float32, not 7,4"):
        reply("called+wrong")
    with pytest.raises(UsageError, match="no input 'images'") as raised:
        reply("called+unknown")
    assert "features ?,3:float32" in str(raised.value.hint)


@pytest.mark.skipif(KERAS[0] < 3, reason="Keras 2 keeps the dtypes of what a model is called with")
@pytest.mark.parametrize(
    ("name", "dtype", "unsaid"),
    [
        ("called", "float32", ("features=2,3",)),
        ("called+said", "float32", ("features=7,3",)),
        ("called+typed", "int32", ()),
        ("called+floats", "float32", ()),
        ("called+integers", "int32", ()),
        ("called_with_a_dictionary", "float32", ("left=2,3", "right=2,3")),
        ("never_called+said", "float32", ("features=2,3",)),
        ("never_called+two", "float32", ("left=2,3",)),
    ],
)
def test_a_dtype_that_nobody_says_leaves_a_gap(
    name: str, dtype: str, unsaid: tuple[str, ...], reply: Reply
) -> None:
    for each in reply(name).steps:
        assert each.graph is not None
        given = [node for node in each.graph.main.nodes if node.op == "Placeholder"]
        assert given[0].outputs[0].dtype == dtype
        for text, note in zip(unsaid, each.graph.notes, strict=True):
            assert f"--input {text}:float32, or :int32." in note


def test_what_a_trace_changes_is_said(reply: Reply) -> None:
    (note,) = step(reply("eager"), "training").notes
    assert "run_eagerly=True" in note
    training = step(reply("with_xla"), "training")
    if TENSORFLOW == (2, 10):  # later Kerases may choose it, or take it back, by themselves
        assert training.jit_compile
        assert any("jit_compile=True" in note for note in training.notes)


def test_a_sparse_input_leaves_a_gap(reply: Reply) -> None:
    for each in reply("sparse").steps:
        assert each.graph is not None
        (gap,) = each.graph.notes
        assert gap == (
            "The input 'words' is sparse; it was traced as a dense tensor, with other ops."
        )


def test_labels_fit_the_losses_of_a_dictionary(reply: Reply) -> None:
    training = step(reply("losses_by_name"), "training")
    assert any("SparseSoftmaxCrossEntropy" in op for op in ops(training))
    assert training.defaults == ()


@pytest.fixture(scope="module")
def by_signature(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | None], WorkerReply]:
    """The reply for a SavedModel of two signatures, of which one may be asked for."""
    scratch = tmp_path_factory.mktemp("signatures")
    model = scratch / "model"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import tensorflow as tf\n"
        "from model_kinds import Signatures\n"
        "m = Signatures(); s = {'predict': m.predict, 'parse': m.parse}\n"
        "tf.saved_model.save(m, sys.argv[2], signatures=s)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(HERE), str(model)], check=True)
    asked = {name: scratch / str(name) for name in (None, "predict", "parse", "serve")}
    for name, folder in asked.items():
        folder.mkdir()
        request = WorkerRequest(read(str(model)), ("inference", "training"), signature=name)
        (folder / "request.json").write_bytes(msgspec.json.encode(request))
    subprocess.run([sys.executable, str(BATCH), *map(str, asked.values())], check=True)
    return lambda name: answer(asked[name], 0, WorkerReply)


def test_only_one_of_several_signatures_is_checked(
    by_signature: Callable[[str | None], WorkerReply],
) -> None:
    (note,) = step(by_signature(None), "inference").notes
    assert note in {
        "Of its signatures this is predict; not checked: parse (--signature NAME).",
        "Of its signatures this is parse; not checked: predict (--signature NAME).",
    }


def test_a_signature_can_be_chosen(by_signature: Callable[[str | None], WorkerReply]) -> None:
    predict, parse = by_signature("predict"), by_signature("parse")
    assert "Elu" in ops(step(predict, "inference"))
    assert "StringLength" in ops(step(parse, "inference"))
    assert "EluGrad" in ops(step(predict, "training"))
    assert [each.graph is None for each in parse.steps] == [False, True]  # it has no variables


def test_a_signature_that_is_not_there(by_signature: Callable[[str | None], WorkerReply]) -> None:
    with pytest.raises(UsageError, match="no such signature") as raised:
        by_signature("serve")
    assert raised.value.hint == "It has parse, predict."
