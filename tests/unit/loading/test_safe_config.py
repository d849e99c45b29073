"""After the rewrite nothing is left that Keras would have to get from outside itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loading_files import EXPECTED, FIXTURES, functional, has_config, layer

import opcheck.loading.keras_classes
from opcheck.errors import RefusedModelError, UnreadableModelError
from opcheck.loading import SafeConfig, read, safe_config

RAW = json.loads(Path(opcheck.loading.keras_classes.__file__).with_suffix(".json").read_text())
LISTS = [value for key, value in RAW.items() if isinstance(value, list)]
KNOWN = {
    *RAW["layers"],
    *(name for names in RAW["operations"].values() for name in names),
    *(name for names in LISTS for name in names),
    "OpaqueLayer", "function", "TensorShape", "__tuple__", "__keras_tensor__", "__slice__",
    "NumericColumn", "SequenceNumericColumn",
}  # fmt: skip
FORBIDDEN = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def assert_clean(safe: SafeConfig, allow: frozenset[str] = frozenset()) -> None:
    trees = [json.loads(safe.architecture)]
    if safe.training is not None:
        trees.append(json.loads(safe.training))
    for node in walk(trees):
        module = node.get("module")
        assert module is None or module == "builtins" or module.split(".")[0] in (
            "keras", "tf_keras", "tensorflow",
        ), node  # fmt: skip
        if "class_name" not in node:
            continue
        names = {node["class_name"], node.get("registered_name"), str(node.get("config"))}
        if names & allow or node["class_name"] in ("__tuple__", "TensorShape"):
            continue
        assert node.get("registered_name") in (None, node["class_name"], node["config"]), node
        if node["class_name"] in ("__typespec__", "TypeSpec"):
            continue
        assert not str(module).startswith("tensorflow"), node
        assert node["class_name"] in KNOWN - FORBIDDEN, node
        assert ">" not in str(node.get("registered_name")), node
        if node["class_name"] == "function":
            assert any(node["config"] in names for names in LISTS), node
        assert not isinstance(node["config"].get("vocabulary"), str), node
        for key, item in node["config"].items():
            if key.endswith("activation") and isinstance(item, str):
                assert item in {*RAW["activations"], *allow}, node


TENSOR_SPEC = "tensorflow.python.framework.tensor"


def type_spec(name: str, module: str, registered_name: str | None = None) -> dict[str, Any]:
    names = {"spec_name": name, "module": module, "registered_name": registered_name}
    return {"class_name": "__typespec__", "config": [], **names}


def legacy_lambda(class_name: str) -> dict[str, Any]:
    """What of TensorFlow's own copy of Keras is named, where there is no safe mode."""
    names = {"class_name": class_name, "registered_name": "Lambda"}
    return {"module": "tensorflow.python.keras.layers.core", "config": {}, **names}


def rewrite(root: dict[str, Any], **options: Any) -> SafeConfig:
    safe = safe_config(json.dumps(root), **options)
    if not options.get("trust"):
        assert_clean(safe, options.get("allow", frozenset()))
    return safe


def below(safe: SafeConfig) -> dict[str, dict[str, Any]]:
    layers = json.loads(safe.architecture)["config"]["layers"]
    return {entry["config"]["name"]: entry for entry in layers}


def codes(safe: SafeConfig) -> list[tuple[str, str | None]]:
    return [(hazard.code, hazard.layer) for hazard in safe.hazards]


WITH_CONFIG = sorted(name for name, record in EXPECTED.items() if has_config(record))


@pytest.mark.parametrize("name", WITH_CONFIG)
def test_every_fixture_becomes_clean(name: str) -> None:
    source = read(str(FIXTURES / name))
    assert source.architecture is not None
    safe = safe_config(source.architecture, training=source.training)
    assert_clean(safe)
    custom = {n.path for n in source.layers if n.kind in ("custom", "lambda")}
    assert {hazard.layer for hazard in safe.opaque} == custom
    assert source.hazards == safe.hazards
    # What is clean stays as it is.
    again = safe_config(safe.architecture, training=safe.training, allow=frozenset({"OpaqueLayer"}))
    assert not again.hazards
    assert json.loads(again.architecture) == json.loads(safe.architecture)


def test_an_untouched_config_is_equal() -> None:
    root = functional(layer("Dense", "a", units=2, activation="relu"))
    safe = rewrite(root)
    assert json.loads(safe.architecture) == root
    assert safe.hazards == ()


def test_lambda_is_replaced_or_trusted() -> None:
    code = ["4wEAAAA=", None, None]
    root = functional(
        layer("Lambda", "code", function=code, function_type="lambda", output_shape=[7]),
        layer("Lambda", "same", function=code, function_type="lambda", output_shape=None),
    )
    safe = rewrite(root)
    assert codes(safe) == [("lambda", "code"), ("lambda", "same")]
    entries = below(safe)
    assert entries["code"]["class_name"] == "OpaqueLayer"
    assert entries["code"]["config"] == {
        "name": "code", "trainable": True, "original_class": "Lambda",
        "output_shape": [None, 7], "output_dtype": None,
    }  # fmt: skip
    assert entries["same"]["config"]["output_shape"] is None
    assert entries["code"]["inbound_nodes"] == [[["input", 0, 0, {}]]]
    assert "4wEAAAA=" not in safe.architecture
    trusted = rewrite(root, trust=True)
    assert json.loads(trusted.architecture) == root
    assert not trusted.hazards


def test_lambda_of_the_users_own_function() -> None:
    own = functional(layer("Lambda", "f", function="double", function_type="function"))
    assert codes(rewrite(own)) == [("lambda", "f")]
    assert not rewrite(own, allow=frozenset({"double", "Lambda"})).hazards
    hidden = functional(
        layer("Lambda", "f", function="double", function_type="function", mask=["4wEA"])
    )
    assert codes(rewrite(hidden, allow=frozenset({"double"}))) == [("lambda", "f")]


def test_allowed_custom_layers_stay() -> None:
    root = functional(layer("pkg>Mine", "a"), layer("Scale", "b"), layer("pkg>Dense", "c"))
    assert codes(rewrite(root)) == [("custom-layer", n) for n in "abc"]
    safe = rewrite(root, allow=frozenset({"pkg>Mine", "Scale"}))
    assert codes(safe) == [("custom-layer", "c")]
    assert below(safe)["a"]["class_name"] == "pkg>Mine"


def test_allowing_a_name_does_not_open_a_builtin_of_that_name() -> None:
    root = functional(layer("Lambda", "l", function=["x", None, None], function_type="lambda"))
    assert codes(rewrite(root, allow=frozenset({"Lambda"}))) == [("lambda", "l")]


def test_allowed_objects_are_not_imported_by_module() -> None:
    function = {"module": "evil", "class_name": "function", "config": "f", "registered_name": "f"}
    entry = {**layer("Mine", "a", activation=function), "module": "evil", "registered_name": "x>Y"}
    safe = rewrite(functional(entry), allow=frozenset({"Mine", "f"}))
    assert not safe.hazards
    kept = below(safe)["a"]
    assert (kept["module"], kept["registered_name"]) == (None, "Mine")
    assert kept["config"]["activation"]["module"] is None
    cell = functional(layer("RNN", "r", cell=layer("OpaqueLayer", "c")))
    assert not rewrite(cell, allow=frozenset({"OpaqueLayer"})).hazards


def test_custom_functions_become_neutral() -> None:
    root = functional(
        layer(
            "Dense",
            "d",
            activation="pkg>swish",
            kernel_initializer={"class_name": "pkg>Init", "config": {}},
            bias_initializer={"class_name": "Mine", "config": {}},
            kernel_regularizer={"class_name": "pkg>Reg", "config": {}},
            kernel_constraint="mine",
            recurrent_activation={
                "module": "evil", "class_name": "function", "config": "f", "registered_name": "f",
            },
        )
    )  # fmt: skip
    safe = rewrite(root)
    config = below(safe)["d"]["config"]
    assert config["activation"] == config["recurrent_activation"] == "linear"
    assert config["kernel_initializer"] == "glorot_uniform"
    assert config["bias_initializer"] == "zeros"
    assert config["kernel_regularizer"] is None
    assert config["kernel_constraint"] is None
    assert codes(safe) == [("custom-function", "d")] * 6
    allowed = rewrite(root, allow=frozenset({"pkg>swish", "pkg>Init", "Mine", "pkg>Reg"}))
    assert len(allowed.replaced) == 2


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("unsafe-config", {"module": "os", "class_name": "system", "config": {}}),
        ("unsafe-config", {"module": "os", "class_name": "function", "config": "system"}),
        ("unsafe-config", {"module": "builtins", "class_name": "function", "config": "exec"}),
        ("unsafe-config", {"module": "builtins", "class_name": "eval", "config": {}}),
        (
            "unsafe-config",
            {
                "module": "keras.config",
                "class_name": "function",
                "config": "enable_unsafe_deserialization",
                "registered_name": "enable_unsafe_deserialization",
            },
        ),
        (
            "unsafe-config",
            {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}},
        ),
        ("unsafe-config", {"module": "keras.utils", "class_name": "get_file", "config": {}}),
        ("unsafe-config", {"module": "keras.saving", "class_name": "load_model", "config": {}}),
        ("unsafe-config", {"class_name": "function", "config": {"a": 1}}),
        ("unsafe-config", {"class_name": "__typespec__", "module": "os", "config": []}),
        ("unsafe-config", type_spec("Lambda", "tensorflow.python.keras.layers.core")),
        ("unsafe-config", type_spec("TensorSpec", "tensorflow.python.keras.layers.core")),
        ("unsafe-config", type_spec("TensorSpec", TENSOR_SPEC, registered_name="x")),
        ("unsafe-config", {**legacy_lambda("Conv2D"), "registered_name": "Lambda"}),
        ("unsafe-config", {**legacy_lambda("Conv2D"), "registered_name": None}),
        ("unsafe-config", {**legacy_lambda("Conv2D"), "module": "keras.src.layers.core"}),
        (
            "unsafe-config",
            {
                "module": "keras.activations",
                "class_name": "function",
                "config": "relu",
                "registered_name": "get_file",
            },
        ),
        ("lambda", {"class_name": "__lambda__", "config": {"value": ["4wEA", None, None]}}),
        ("custom-function", {"module": "evil.mod", "class_name": "Dense", "config": {}}),
        ("custom-function", {"class_name": "pkg>Dense", "config": {}}),
        ("tfsm-layer", {"class_name": "TFSMLayer", "config": {"filepath": "/tmp/x"}}),
        ("tfsm-layer", {"class_name": "ReloadedLayer", "config": {"filepath": "/tmp/x"}}),
        ("custom-function", {"class_name": "Custom>TFSMLayer", "config": {"filepath": "/x"}}),
        ("custom-function", {"class_name": "Custom>Lambda", "config": {"function": ["4wEA"]}}),
        (
            "external-file",
            {"class_name": "EmbeddingColumn", "config": {"ckpt_to_load_from": "/tmp/x"}},
        ),
        (
            "external-vocabulary",
            {"class_name": "VocabularyFileCategoricalColumn", "config": {"vocabulary_file": "/x"}},
        ),
    ],
)
def test_objects_anywhere_in_a_config(code: str, value: dict[str, Any]) -> None:
    places = (
        functional(layer("Dense", "d", units=1, activation=value)),
        functional(layer("Dense", "d", units=1, anything={"deep": [[value]]})),
        functional({**layer("Dense", "d", units=1), "build_config": {"x": value}}),
    )
    for root in places:
        assert codes(rewrite(root)) == [(code, "d")]
    root = functional(layer("Dense", "d", units=1))
    root["config"]["layers"][1]["inbound_nodes"] = [[["input", 0, 0, {"kw": value}]]]
    assert codes(rewrite(root)) == [(code, "d")]
    training = {"loss": "mse", "optimizer": {"class_name": "Adam", "config": {"x": value}}}
    safe = rewrite(functional(), training=json.dumps(training))
    assert [hazard.code for hazard in safe.replaced] == [code]


@pytest.mark.parametrize(
    ("code", "entry"),
    [
        ("tfsm-layer", layer("TFSMLayer", "x", filepath="/tmp/evil")),
        ("tfsm-layer", layer("ReloadedLayer", "x", filepath="/tmp/evil")),
        ("lambda", layer("ResidualWrapper", "x", residual_fn=["4wEA"], residual_fn_type="lambda")),
        ("lambda", layer("DropoutWrapper", "x", dropout_fn_module="os")),
        ("torch-module", layer("TorchModuleWrapper", "x", module="base64")),
        ("custom-function", layer("JaxLayer", "x", call_fn="f")),
        ("unsafe-config", {**layer("system", "x"), "module": "os"}),
        ("unsafe-config", {**layer("get_file", "x"), "module": "keras.utils"}),
        ("custom-layer", {**layer("Dense", "x"), "module": "evil"}),
        ("custom-layer", {**layer("Dense", "x"), "registered_name": "pkg>Dense"}),
        ("custom-layer", {**layer("NewThing", "x"), "module": "keras.layers"}),
        ("custom-layer", {**layer("Dense", "x"), "module": "keras.os; import os"}),
        ("file-op", layer("TFOpLambda", "x", function="io.read_file")),
        ("file-op", layer("TFOpLambda", "x", function="compat.v1.py_func")),
        ("file-op", layer("TFOpLambda", "x", function="numpy_function")),
        ("unsafe-config", layer("TFOpLambda", "x", function="load_library")),
        ("unsafe-config", layer("TFOpLambda", "x", function="keras.models.load_model")),
        ("unsafe-config", layer("TFOpLambda", "x", function="keras.backend.set_floatx")),
        ("unsafe-config", {**layer("Dense", "x"), "registered_name": "Lambda"}),
        ("unsafe-config", {**layer("Dense", "x"), "module": "tensorflow.python.keras.layers"}),
        (
            "unsafe-config",
            layer("TFOpLambda", "x", function="random.fixed_unigram_candidate_sampler"),
        ),
        ("unsafe-config", layer("TFOpLambda", "x", function="keras.activations.deserialize")),
        ("unsafe-config", layer("TFOpLambda", "x", function="ragged.map_flat_values")),
        ("unsafe-config", layer("TFOpLambda", "x", function="compat.v1.sparse.map_values")),
        ("unsafe-config", layer("TFOpLambda", "x", function=["a"])),
        ("unsafe-config", layer("ClassMethod", "x", cls_symbol="io.gfile.GFile", method_name="m")),
        ("unsafe-config", layer("InstanceMethod", "x", method_name="__class__")),
        ("file-op", layer("TensorFlowOpLayer", "x", node_def='{"op": "WriteFile"}')),
        ("file-op", layer("TensorFlowOpLayer", "x", node_def={"op": "EagerPyFunc"})),
    ],
)
def test_layers_that_are_never_built(code: str, entry: dict[str, Any]) -> None:
    wrapped = layer("TimeDistributed", "w", layer=entry)
    for root, path in ((functional(entry), "x"), (functional(wrapped), "w/x")):
        safe = rewrite(root)
        assert codes(safe) == [(code, path)]
        assert "OpaqueLayer" in safe.architecture


def test_what_a_tuple_hides_is_judged() -> None:
    """Keras 2 takes the items of what the metadata of a SavedModel marks as a tuple."""
    hidden = {"class_name": "__tuple__", "items": "Lambda"}
    root = functional({**layer("x", "x", function=["4wEA"]), "class_name": hidden})
    assert codes(rewrite(root)) == [("lambda", "x")]
    path = {"class_name": "__tuple__", "items": "/tmp/vocabulary"}
    safe = rewrite(functional(layer("StringLookup", "v", vocabulary=path)))
    assert codes(safe) == [("external-vocabulary", "v")]
    shape = {"class_name": "TensorShape", "items": [None, 4]}
    safe = rewrite(functional(layer("Dense", "d", units=1, batch_input_shape=shape)))
    assert below(safe)["d"]["config"]["batch_input_shape"] == [None, 4]
    assert not safe.hazards


@pytest.mark.parametrize("what", [5, None, ["Lambda"], {"class_name": "__tuple__", "items": "x"}])
@pytest.mark.parametrize("key", ["class_name", "module"])
def test_an_object_without_a_proper_name_is_refused(key: str, what: object) -> None:
    value = {"class_name": "Dense", "registered_name": None, "module": None, "config": {}}
    root = functional(layer("Dense", "d", units=1, anything={**value, key: what}))
    root |= {"module": "keras", "registered_name": None}
    if key == "module" and what is None:
        return
    with pytest.raises(
        UnreadableModelError, match=f"The {key} of an object in the config is no text"
    ):
        rewrite(root)


def test_type_specs_that_keras_writes_stay() -> None:
    for spec in (type_spec("TensorSpec", TENSOR_SPEC), {"class_name": "TypeSpec", "config": []}):
        assert not rewrite(functional(layer("Dense", "d", units=1, spec=spec))).hazards


def test_a_function_of_the_users_is_no_class() -> None:
    """Keras would call it with what the file says."""
    root = functional(layer("run", "r", args="id", shell=True))
    safe = rewrite(root, allow=frozenset({"run"}), functions=frozenset({"run"}))
    assert codes(safe) == [("custom-layer", "r")]
    value = {"class_name": "run", "config": {"args": "id"}}
    root = functional(layer("Dense", "d", units=1, kernel_initializer=value))
    safe = rewrite(root, allow=frozenset({"run"}), functions=frozenset({"run"}))
    assert codes(safe) == [("custom-function", "d")]
    named = functional(layer("Dense", "d", units=1, activation="run"))
    assert not rewrite(named, allow=frozenset({"run"}), functions=frozenset({"run"})).hazards


@pytest.mark.parametrize(
    "function",
    [
        "math.abs",
        "concat",
        "__operators__.getitem",
        "compat.v1.nn.relu",
        "nn.elu",
        "keras.backend.mean",
    ],
)
def test_tensor_functions_stay(function: str) -> None:
    assert not rewrite(functional(layer("TFOpLambda", "x", function=function))).hazards


@pytest.mark.parametrize("class_name", ["StringLookup", "IntegerLookup", "TextVectorization"])
def test_vocabulary_from_elsewhere(class_name: str) -> None:
    safe = rewrite(functional(layer(class_name, "v", vocabulary="https://evil/vocabulary")))
    assert codes(safe) == [("external-vocabulary", "v")]
    assert isinstance(below(safe)["v"]["config"]["vocabulary"], list)
    assert not rewrite(functional(layer(class_name, "v", vocabulary=["a"]))).hazards


def test_rnn_with_a_custom_cell_is_replaced_as_a_whole() -> None:
    stacked = layer("StackedRNNCells", "s", cells=[layer("LSTMCell", "l"), layer("Mine", "m")])
    root = functional(layer("Bidirectional", "b", layer=layer("RNN", "r", cell=stacked)))
    safe = rewrite(root)
    assert below(safe)["b"]["class_name"] == "OpaqueLayer"
    assert [h.layer for h in safe.opaque] == [
        "b/forward_r/s/m", "b/forward_r/s", "b/forward_r", "b",
    ]  # fmt: skip
    assert {h.code for h in safe.opaque} == {"custom-layer"}


def test_a_wrapper_that_normalizes_the_kernel_of_a_custom_layer_is_replaced() -> None:
    safe = rewrite(functional(layer("SpectralNormalization", "s", layer=layer("Mine", "m"))))
    assert below(safe)["s"]["class_name"] == "OpaqueLayer"
    assert codes(safe) == [("custom-layer", "s/m"), ("custom-layer", "s")]
    assert not rewrite(
        functional(layer("SpectralNormalization", "s", layer=layer("Dense", "d")))
    ).hazards


def test_sequential_keeps_the_input_shape_of_a_replaced_first_layer() -> None:
    first = layer("Mine", "m", batch_input_shape=[None, 3], dtype="float16")
    root = {"class_name": "Sequential", "config": {"name": "s", "layers": [first]}}
    inside = json.loads(rewrite(root).architecture)["config"]["layers"]
    assert [entry["class_name"] for entry in inside] == ["InputLayer", "OpaqueLayer"]
    assert inside[0]["config"]["batch_input_shape"] == [None, 3]
    assert inside[1]["config"]["dtype"] == "float16"


def test_sequential_before_keras_2_2_3_is_a_list() -> None:
    safe = rewrite({"class_name": "Sequential", "config": [layer("Mine", "m")]})
    assert codes(safe) == [("custom-layer", "m")]
    assert list(below(safe)) == ["m"]


def test_model_of_keras_2_3_becomes_functional() -> None:
    root = functional(layer("Dense", "d"))
    root["class_name"] = "Model"
    assert json.loads(rewrite(root).architecture)["class_name"] == "Functional"


def test_output_shape_from_the_consumers() -> None:
    def tensor(name: str, index: int, shape: list[int | None], dtype: str) -> dict[str, Any]:
        config = {"shape": shape, "dtype": dtype, "keras_history": [name, 0, index]}
        return {"class_name": "__keras_tensor__", "config": config}

    def modern(entry: dict[str, Any], *args: Any) -> dict[str, Any]:
        nodes = [{"args": list(args), "kwargs": {}}]
        extra = {"module": "keras.layers", "registered_name": None, "inbound_nodes": nodes}
        return {**entry, **extra, "name": entry["config"]["name"]}

    one = {**modern(layer("Mine", "one")), "module": "mine", "registered_name": "Mine"}
    two = {**modern(layer("Mine", "two")), "module": "mine", "registered_name": "Mine"}
    last = {**modern(layer("Mine", "last")), "module": "mine", "registered_name": "Mine"}
    use = modern(layer("Add", "use"), tensor("one", 0, [None, 5], "int32"))
    both = modern(
        layer("Add", "both"),
        [tensor("two", 0, [None, 2], "float32"), tensor("two", 1, [None, 3], "float16")],
    )
    root = functional()
    root["config"]["layers"] += [one, two, use, both, last]
    entries = below(rewrite(root))
    assert entries["one"]["config"]["output_shape"] == [None, 5]
    assert entries["one"]["config"]["output_dtype"] == "int32"
    assert entries["two"]["config"]["output_shape"] == [[None, 2], [None, 3]]
    assert entries["two"]["config"]["output_dtype"] == ["float32", "float16"]
    assert entries["last"]["config"]["output_shape"] is None
    assert entries["one"]["registered_name"] == "OpaqueLayer"
    assert entries["one"]["module"] is None
    assert entries["one"]["config"]["original_class"] == "mine.Mine"


@pytest.mark.parametrize(
    ("name", "path", "shape"),
    [
        ("custom_inverse-k3.15.keras", "inverse", [None, 4, 4]),
        ("custom_inverse-k3.15.h5", "inverse", [None, 4, 4]),
        ("custom_inverse-k2.15.keras", "inverse", [None, 4, 4]),
        ("custom_inverse-k2.10.h5", "inverse", None),
        ("lambda_model-k3.15.keras", "named", [None, 4]),
        ("custom_lookalike-k3.15.keras", "lookalike", [None, 4]),
    ],
)
def test_output_shapes_in_fixtures(name: str, path: str, shape: list[int | None] | None) -> None:
    source = read(str(FIXTURES / name))
    assert source.architecture is not None
    assert below(safe_config(source.architecture))[path]["config"]["output_shape"] == shape


def test_training() -> None:
    def train(config: dict[str, Any], **options: Any) -> dict[str, Any]:
        safe = rewrite(functional(), training=json.dumps(config), **options)
        assert safe.training is not None
        result: dict[str, Any] = json.loads(safe.training)
        return result

    kept = {
        "loss": {"a": "mse", "b": {"class_name": "Huber", "config": {"delta": 1.0}}},
        "metrics": [["accuracy", "mae"], {"class_name": "AUC", "config": {}}],
        "loss_weights": {"a": 1.0},
        "optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.1}},
    }
    assert train(kept) == kept
    assert train({"loss": "mine"}) == {"loss": None}
    assert train({"loss": "mine"}, allow=frozenset({"mine"})) == {"loss": "mine"}
    assert train({"loss": {"a": "mse", "b": "mine"}}) == {"loss": {"a": "mse", "b": None}}
    assert train({"metrics": ["mine", "mae"]}) == {"metrics": [None, "mae"]}
    assert train({"optimizer": "mine"}) == {"optimizer": None}
    assert train({"optimizer_config": {"class_name": "pkg>Mine", "config": {}}}) == {
        "optimizer_config": None
    }
    own = {"class_name": "Custom>SGD", "config": {}}
    assert train({"optimizer_config": own})["optimizer_config"]["class_name"] == "SGD"


def test_root_that_is_no_keras_model() -> None:
    subclassed = {"class_name": "pkg>Mine", "config": {"units": 3}}
    with pytest.raises(RefusedModelError, match="pkg>Mine, which is not part of Keras") as caught:
        safe_config(json.dumps(subclassed))
    assert "--custom-objects" in str(caught.value.hint)
    allowed = safe_config(json.dumps(subclassed), allow=frozenset({"pkg>Mine"}))
    assert json.loads(allowed.architecture) == subclassed
    for layers in ([], [64, 32], [layer("Dense", "left"), layer("Dense", "right")]):
        with pytest.raises(RefusedModelError, match="its layers are made by its own code"):
            safe_config(json.dumps({"class_name": "Mine", "config": {"layers": layers}}))
    with pytest.raises(RefusedModelError, match="is no model"):
        safe_config(json.dumps(layer("Dense", "d", units=1)))
    with pytest.raises(RefusedModelError, match="loads the SavedModel"):
        safe_config(json.dumps(layer("TFSMLayer", "x", filepath="/evil")))
    with pytest.raises(UnreadableModelError, match="not valid JSON"):
        safe_config("{")


CHAIN = [layer("Dense", "d", batch_input_shape=[None, 4]), layer("Mine", "m")]
SEQUENTIAL = {"class_name": "Sequential", "config": {"name": "s", "layers": CHAIN}}


@pytest.mark.parametrize(
    ("root", "old", "new"),
    [
        (functional(layer("Mine", "m", units=1)), "Functional", "Model"),
        (SEQUENTIAL, "Sequential", "Sequential"),
        ({"class_name": "Sequential", "config": CHAIN}, "Sequential", "Sequential"),
    ],
)
def test_subclass_whose_layers_are_all_stored_is_rebuilt(
    root: dict[str, Any], old: str, new: str
) -> None:
    safe = rewrite({**root, "class_name": "pkg>Trainer"})
    assert json.loads(safe.architecture)["class_name"] == old
    assert codes(safe) == [("custom-layer", None), ("custom-layer", "m")]
    modern = {**root, "class_name": "Trainer", "module": "mine", "registered_name": "pkg>Trainer"}
    tree = json.loads(rewrite(modern).architecture)
    assert (tree["module"], tree["class_name"]) == ("keras.models", new)


def test_nested_bidirectional_layers_do_not_explode() -> None:
    entry = layer("LSTM", "l")
    for index in range(40):
        entry = layer("Bidirectional", f"b{index}", layer=entry)
    assert not rewrite(functional(entry)).hazards  # one config, however many live layers
    deep = layer("LSTM", "l")
    for index in range(150):
        deep = layer("TimeDistributed", f"t{index}", layer=deep)
    with pytest.raises(UnreadableModelError, match="nested deeper"):
        safe_config(json.dumps(functional(deep)))
