"""The layers read from every fixture are those that Keras itself saw when it saved the file."""

from __future__ import annotations

import pytest
from loading_files import EXPECTED, FIXTURES, has_config, names_its_layers

from opcheck.errors import UnreadableModelError
from opcheck.loading import read

NAMED = sorted(name for name, record in EXPECTED.items() if names_its_layers(record))
UNNAMED = sorted(
    name
    for name, record in EXPECTED.items()
    if not names_its_layers(record) and record["format"] not in ("checkpoint", "weights")
)
WEIGHTS = sorted(n for n, r in EXPECTED.items() if r["format"] in ("checkpoint", "weights"))
FORMATS = {"h5": "hdf5", "keras": "keras", "graphdef": "frozen-graph"}


@pytest.mark.parametrize("name", NAMED)
def test_paths_and_classes(name: str) -> None:
    record = EXPECTED[name]
    source = read(str(FIXTURES / name))
    assert [[n.path, n.class_name] for n in source.layers] == [x[:2] for x in record["layers"]]
    assert source.format == FORMATS.get(record["format"], "savedmodel")
    assert len(source.sha256) == 64


@pytest.mark.parametrize("name", NAMED)
def test_kinds_and_parents(name: str) -> None:
    source = read(str(FIXTURES / name))
    paths = {node.path for node in source.layers}
    modules = {path: module for path, _, module in EXPECTED[name]["layers"]}
    for node in source.layers:
        foreign = not modules[node.path].startswith(("keras.", "tf_keras.", "tensorflow."))
        assert (node.kind == "custom") == foreign, node
        assert (node.kind == "lambda") == (node.class_name == "Lambda"), node
        assert node.parent is None or node.parent in paths
        assert node.path == (f"{node.parent}/" if node.parent else "") + node.path.split("/")[-1]


@pytest.mark.parametrize("name", [n for n in NAMED if has_config(EXPECTED[n])])
def test_keras_version_and_training(name: str) -> None:
    source = read(str(FIXTURES / name))
    record = EXPECTED[name]
    assert source.architecture is not None
    assert source.name == "mobilenetv2_0.10_96" or source.name
    if source.keras_version is not None:
        assert source.keras_version.split("-")[0] == record["keras"].split("-")[0]
    else:
        assert record["format"] in ("savedmodel", "bare")
    if record["format"] in ("h5", "keras"):
        assert (source.training is not None) == record["compiled"]


@pytest.mark.parametrize("name", UNNAMED)
def test_formats_without_layer_names(name: str) -> None:
    source = read(str(FIXTURES / name))
    assert source.layers == ()
    assert source.notes


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_and_checkpoints(name: str) -> None:
    with pytest.raises(UnreadableModelError, match="holds only weights") as caught:
        read(str(FIXTURES / name))
    assert caught.value.hint


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_no_fixture_touches_files(name: str) -> None:
    if name in WEIGHTS:
        pytest.skip("not a model")
    codes = {hazard.code for hazard in read(str(FIXTURES / name)).hazards}
    assert codes <= {"lambda", "custom-layer", "custom-function"}
    if EXPECTED[name]["model"].startswith(("custom_", "lambda_")) and name in NAMED:
        assert codes
    elif EXPECTED[name]["model"] != "subclassed":
        assert not codes


def test_experimental_layers() -> None:
    def kinds(name: str) -> dict[str, str]:
        return {node.class_name: node.kind for node in read(str(FIXTURES / name)).layers}

    then, now = (kinds(f"experimental_preprocessing-k{v}.h5") for v in ("2.4", "2.10"))
    assert then["Rescaling"] == then["RandomZoom"] == "experimental"
    assert then["Conv2D"] == now["Rescaling"] == now["RandomZoom"] == "builtin"
    assert kinds("experimental_rnn-k2.4.h5")["PeepholeLSTMCell"] == "experimental"
    assert kinds("experimental_wide_deep-k2.8-savedmodel")["LinearModel"] == "experimental"


def test_wrappers() -> None:
    kinds = {n.path: n.kind for n in read(str(FIXTURES / "timedistributed-k2.10.h5")).layers}
    assert kinds["each_frame"] == kinds["each_frame/frame"] == kinds["both"] == "wrapper"
    assert kinds["each_frame/frame/conv"] == kinds["both/forward_gru"] == "builtin"


def test_a_custom_class_named_like_a_builtin_one() -> None:
    for name in ("custom_lookalike-k2.10.h5", "custom_lookalike-k2.15.keras"):
        source = read(str(FIXTURES / name))
        kinds = {node.path: (node.class_name, node.kind) for node in source.layers}
        assert kinds["builtin"] == ("Dense", "builtin")
        assert kinds["lookalike"] == ("Dense", "custom")
        assert {(h.code, h.layer) for h in source.hazards} == {
            ("custom-layer", "lookalike"),
            ("custom-function", "builtin"),
        }
