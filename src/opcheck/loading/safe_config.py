"""Rewrites a model config so that Keras can rebuild it with nothing but its own classes.

Pure JSON to JSON. What is not Keras' own is replaced: a layer by the stand-in ``OpaqueLayer``, an
activation, initializer, ... by a neutral one of Keras. Every replacement is reported as a Hazard,
so the same walk also answers what is hazardous in a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import msgspec

from opcheck.errors import RefusedModelError
from opcheck.loading import configs, shapes
from opcheck.loading.allowlist import (
    Objection,
    describe,
    judge_layer,
    judge_object,
    judge_string,
    judge_vocabulary,
    kind_of_key,
)
from opcheck.loading.jsontree import Json, JsonObject, parse_object
from opcheck.loading.keras_classes import KerasClasses, keras_classes
from opcheck.loading.types import Hazard
from opcheck.loading.wiring import counted_from_zero

OPAQUE = "OpaqueLayer"
_NOTHING: Mapping[str, shapes.Output] = {}
_MODELS = frozenset({"Functional", "Model", "Sequential"})
# Looks into the RNN, cell or kernel that it holds, and cannot work with a stand-in in its place.
_NEEDS_REAL_CHILD = frozenset(
    {"RNN", "StackedRNNCells", "ConvLSTM2D", "Bidirectional", "SpectralNormalization"}
)


class SafeConfig(msgspec.Struct, frozen=True):
    """The rewritten JSON texts, and what was replaced.

    ``opaque`` has one entry for each layer that became a stand-in; ``replaced`` for each smaller
    object (activation, loss, vocabulary, ...). Both are empty when Keras alone can build the model.
    """

    architecture: str
    training: str | None
    opaque: tuple[Hazard, ...] = ()
    replaced: tuple[Hazard, ...] = ()

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        return self.opaque + self.replaced


def safe_config(
    architecture: str,
    *,
    allow: frozenset[str] = frozenset(),
    functions: frozenset[str] = frozenset(),
    trust: bool = False,
    training: str | None = None,
    assumed: Mapping[str, shapes.Output] = _NOTHING,
) -> SafeConfig:
    """Rewrite a model config (and compile config).

    ``allow`` holds the user's own custom objects by class name or registered name, ``functions``
    those of them that are no classes: Keras would call one that stands where a class belongs, with
    the arguments that the file gives. ``trust`` leaves Lambda layers and lambdas in place;
    ``assumed`` are the outputs of stand-ins by their layers' paths, before what the file says of
    them. Raises RefusedModelError when the model itself is of a class that is neither Keras' nor
    allowed, UnreadableModelError when a text is no config.
    """
    rewriter = _Rewriter(keras_classes(), allow, functions, trust, assumed)
    root = configs.plain(parse_object(architecture, "The model's config"))
    safe_root = rewriter.root(root)
    safe_training = None
    if training is not None:
        safe_training = json.dumps(
            rewriter.training(configs.plain(parse_object(training, "The compile config")))
        )
    return SafeConfig(
        json.dumps(safe_root), safe_training, tuple(rewriter.opaque), tuple(rewriter.replaced)
    )


def config_hazards(root: JsonObject, training: JsonObject | None) -> tuple[Hazard, ...]:
    """What `safe_config` would replace when nothing is allowed, of what is `configs.plain` already.

    Raises RefusedModelError alike.
    """
    rewriter = _Rewriter(keras_classes())
    rewriter.root(root)
    if training is not None:
        rewriter.training(training)
    return (*rewriter.opaque, *rewriter.replaced)


class _Rewriter:
    def __init__(
        self,
        classes: KerasClasses,
        allow: frozenset[str] = frozenset(),
        functions: frozenset[str] = frozenset(),
        trust: bool = False,
        assumed: Mapping[str, shapes.Output] = _NOTHING,
    ) -> None:
        self.classes, self.trust, self.assumed = classes, trust, assumed
        self.allow, self.allowed_classes = allow, allow - functions
        self.opaque: list[Hazard] = []
        self.replaced: list[Hazard] = []

    # -- the model

    def root(self, root: JsonObject) -> JsonObject:
        if not configs.is_object(root):
            raise RefusedModelError("The model's config names no class.")
        objection = None if self._allowed(root) else judge_layer(root, self.classes, trust=False)
        if objection is None and configs.class_name(root) not in _MODELS:
            objection = None if self._allowed(root) else self._not_a_model(root)
        if objection is not None:
            plain = _plain_model(root)
            if plain is None:
                raise RefusedModelError(
                    f"The model {objection.reason}; its layers are made by its own code.",
                    hint="Give that code with --custom-objects, or save the model as a SavedModel.",
                )
            self._report(self.opaque, None, f"The model {objection.reason}", objection.code)
            root = plain
        return self._keep(root, None)

    def _not_a_model(self, root: JsonObject) -> Objection | None:
        if {"layers", "linear_model"} & configs.config(root).keys():
            return None
        return Objection("custom-layer", f"is of the class {describe(root)}, which is no model")

    def training(self, training: JsonObject) -> JsonObject:
        """The compile config: what is not Keras' own becomes null, so that a default is used."""
        return {key: self._compile_value(key, value) for key, value in training.items()}

    def _compile_value(self, key: str, value: Json) -> Json:
        if key in ("loss", "metrics", "weighted_metrics"):
            return self._map_names("losses" if key == "loss" else "metrics", key, value)
        if key == "optimizer" and isinstance(value, str) and value not in self.allow:
            if not self.classes.is_named("optimizers", value):
                reason = f"optimizer {value!r} is not part of Keras"
                return self._neutral(key, None, Objection("custom-function", reason))
            return value
        return self._value(key, value, None)

    def _map_names(self, kind: str, key: str, value: Json) -> Json:
        """Losses and metrics: nested lists and dicts (by output name) of names and objects."""
        if isinstance(value, str):
            names = value in self.allow or any(
                self.classes.is_named(k, value) for k in (kind, "losses", "metrics")
            )
            if names or value in ("acc", "accuracy", "crossentropy", "ce"):
                return value
            self._report(
                self.replaced, None, f"The {key} {value!r} is not part of Keras", "custom-function"
            )
            return None
        if isinstance(value, dict) and configs.is_object(value):
            return self._object(key, value, None)
        if isinstance(value, dict):
            return {name: self._map_names(kind, key, item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._map_names(kind, key, item) for item in value]
        return value

    # -- layers

    def _layer(self, child: configs.Child, parent: str | None, output: shapes.Output) -> JsonObject:
        layer, path = child.layer, configs.child_path(parent, child)
        if not self._allowed(layer) and not self._is_own_lambda(layer):
            objection = judge_layer(layer, self.classes, trust=self.trust)
            if objection is not None:
                self._report(self.opaque, path, f"Layer {path} {objection.reason}", objection.code)
                return self._stand_in(layer, output, path)
        return self._keep(layer, path, output)

    def _keep(
        self, layer: JsonObject, path: str | None, output: shapes.Output = shapes.UNKNOWN
    ) -> JsonObject:
        """The layer itself, with everything inside it rewritten."""
        name = configs.class_name(layer)
        if name == "Lambda" and self.trust and not self._allowed(layer):
            return layer
        before = len(self.opaque)
        inner = self._config(layer, path)
        replaced = len(self.opaque) > before and any(
            _is_stand_in(inner.get(slot)) for slot in (*configs.SINGLE_SLOTS, *configs.LIST_SLOTS)
        )
        if replaced and name in _NEEDS_REAL_CHILD:
            hazard = self.opaque[before]
            self._report(
                self.opaque, path, f"Layer {path} cannot run without {hazard.layer}", hazard.code
            )
            return self._stand_in(layer, output, path)
        kept = {
            key: self._value(key, value, path)
            for key, value in layer.items()
            if key not in ("config", "compile_config")
        }
        if name == "Model" and "input_layers" in inner and "module" not in layer:
            kept["class_name"] = "Functional"  # its name until Keras 2.3
        kept["config"] = cast(Json, inner)
        self._point_at_own(kept)
        return kept

    def _config(self, layer: JsonObject, path: str | None) -> JsonObject:
        inner = dict(configs.config(layer))
        if configs.is_object(inner):  # no layer's config names a class: nothing vouches for it
            raise RefusedModelError(
                f"The config of {path or 'the model'} is a {describe(inner)} itself, "
                "which Keras never writes."
            )
        known = self._outputs_below(inner)
        below: dict[int, JsonObject] = {}
        for child in configs.children(layer):
            if id(child.layer) not in below:  # both directions of a Bidirectional share one config
                output = known.get(configs.name(child.layer), shapes.UNKNOWN)
                below[id(child.layer)] = self._layer(child, path, output)
        for key, value in inner.items():
            if key in configs.SINGLE_SLOTS and id(value) in below:
                inner[key] = below[id(value)]
            elif key in configs.LIST_SLOTS and isinstance(value, list):
                items = [below.get(id(v)) or self._value(key, v, path) for v in value]
                sequential = configs.class_name(layer) == "Sequential"
                inner[key] = _with_input(value, items) if sequential else items
            else:
                inner[key] = self._value(key, value, path)
        replaced = [
            configs.name(child.layer)
            for child in configs.children(layer)
            if _is_stand_in(below[id(child.layer)]) and "layers" in configs.config(child.layer)
        ]
        if replaced and "input_layers" in inner:
            inner = counted_from_zero(inner, replaced)
        if (objection := judge_vocabulary(layer)) is not None:
            self._report(self.replaced, path, f"Layer {path} {objection.reason}", objection.code)
            inner["vocabulary"] = [1] if "Integer" in configs.class_name(layer) else ["opcheck"]
            inner.pop("idf_weights", None)
            inner.pop("vocabulary_size", None)
        return inner

    def _outputs_below(self, inner: JsonObject) -> dict[str, shapes.Output]:
        layers = inner.get("layers")
        if not isinstance(layers, list):
            return {}
        objects = [v for v in layers if isinstance(v, dict)]
        return shapes.outputs(objects, functional="input_layers" in inner)

    # -- everything else

    def _value(self, key: str, value: Json, path: str | None) -> Json:
        if isinstance(value, list):
            return [self._value(key, item, path) for item in value]
        if isinstance(value, dict):
            if configs.is_object(value):
                return self._object(key, value, path)
            return {name: self._value(name, item, path) for name, item in value.items()}
        if isinstance(value, str) and value not in self.allow:
            objection = judge_string(key, value, self.classes)
            if objection is not None:
                return self._neutral(key, path, objection)
        return value

    def _object(self, key: str, value: JsonObject, path: str | None) -> Json:
        if not self._allowed(value) and not (self.trust and value["class_name"] == "__lambda__"):
            objection = judge_object(value, self.classes) or judge_vocabulary(value)
            if objection is not None:
                return self._neutral(key, path, objection)
        safe = {k: self._value(k, v, path) for k, v in value.items() if k != "compile_config"}
        if str(value["class_name"]).startswith("Custom>") and not self._allowed(value):
            # What Keras 2.11+ calls its own optimizers; other versions know only the bare name.
            safe["class_name"] = configs.class_name(value)
        self._point_at_own(safe)
        return safe

    def _neutral(self, key: str, path: str | None, objection: Objection) -> Json:
        where = "The compile config" if path is None else f"Layer {path}"
        self._report(self.replaced, path, f"{where}, {key}: {objection.reason}", objection.code)
        kind = kind_of_key(key)
        if kind == "activations":
            return "linear"
        if kind == "initializers":
            return "zeros" if key.startswith(("bias", "beta", "moving_mean")) else "glorot_uniform"
        return None

    def _stand_in(self, layer: JsonObject, output: shapes.Output, path: str | None) -> JsonObject:
        """The OpaqueLayer that takes the place of ``layer``, in the style of the file's config."""
        inner = configs.config(layer)
        if output.shape is None and configs.class_name(layer) == "Lambda":
            output = shapes.lambda_output(layer)
        if path is not None:
            output = self.assumed.get(path, output)
        config: JsonObject = {
            "name": configs.name(layer),
            "trainable": bool(inner.get("trainable", True)),
            "original_class": describe(layer),
            "output_shape": output.shape,
            "output_dtype": output.dtype,
        }
        if isinstance(dtype := inner.get("dtype"), str):
            config["dtype"] = dtype
        safe: JsonObject = {"class_name": OPAQUE, "config": config}
        if "module" in layer or "registered_name" in layer:
            # Without a package: Keras looks the registered name up among the custom objects.
            safe |= {"module": None, "registered_name": OPAQUE}
        for key in ("name", "inbound_nodes", "build_config"):
            if key in layer:
                safe[key] = self._value(key, layer[key], path)
        return safe

    def _allowed(self, value: JsonObject) -> str | None:
        """The name of the user's own object that this is; a builtin of that name does not count."""
        module, name = configs.module(value), str(value.get("class_name"))
        if configs.registered_name(value) is None and self.classes.is_object(name, module):
            return None
        names, allowed = [value.get("registered_name"), name], self.allowed_classes
        if name == "function":
            names, allowed = [value.get("registered_name"), value.get("config")], self.allow
        return next((name for name in names if isinstance(name, str) and name in allowed), None)

    def _point_at_own(self, value: JsonObject) -> None:
        """Let Keras look an allowed object up by name instead of importing the module it names."""
        name = self._allowed(value)
        if name is not None and "module" in value:
            value["module"], value["registered_name"] = None, name

    def _is_own_lambda(self, layer: JsonObject) -> bool:
        """Whether this is a Lambda that only names one of the user's own functions."""
        inner = configs.config(layer)
        function = inner.get("function")
        if configs.class_name(layer) != "Lambda" or inner.get("mask") is not None:
            return False
        if inner.get("output_shape_type", "raw") != "raw":
            return False
        if isinstance(function, str):
            return inner.get("function_type") == "function" and function in self.allow
        return isinstance(function, dict) and self._allowed(function) is not None

    def _report(self, into: list[Hazard], path: str | None, text: str, code: str) -> None:
        into.append(Hazard(code, path, text + "."))


def _plain_model(root: JsonObject) -> JsonObject | None:
    """The model as one of Keras' own class, where its config has all its layers.

    So it is with a subclass of Model that was built from inputs and outputs, and of Sequential.
    """
    inner = configs.config(root)
    if {"layers", "input_layers", "output_layers"} <= inner.keys():
        old, new = "Functional", "Model"
    elif _is_sequential(inner):
        old, new = "Sequential", "Sequential"
    else:
        return None
    if "module" not in root and "registered_name" not in root:
        return {"class_name": old, "config": root["config"]}
    return {
        "class_name": new,
        "config": root["config"],
        "module": "keras.models",
        "registered_name": None,
    }


def _is_sequential(inner: JsonObject) -> bool:
    """Whether a config is Sequential's: its layers, and the shape that goes into the first.

    A class of one's own may list layers too, but they need be no chain.
    """
    layers = inner.get("layers")
    if "input_layers" in inner or not isinstance(layers, list):
        return False
    objects = [layer for layer in layers if isinstance(layer, dict) and configs.is_object(layer)]
    if not objects or len(objects) < len(layers):
        return False
    keys = {*inner, *configs.config(objects[0])}
    return not keys.isdisjoint(("build_input_shape", "batch_shape", "batch_input_shape"))


def _is_stand_in(value: Json) -> bool:
    if isinstance(value, list):
        return any(_is_stand_in(item) for item in value)
    return isinstance(value, dict) and value.get("class_name") == OPAQUE


def _with_input(layers: list[Json], safe: list[Json]) -> list[Json]:
    """Give a Sequential an input when a stand-in replaced the layer that stated the shape."""
    first = layers[0] if layers else None
    if not isinstance(first, dict) or not _is_stand_in(safe[0]):
        return safe
    inner = configs.config(first)
    for key in ("batch_input_shape", "batch_shape"):
        if isinstance(shape := inner.get(key), list):
            dtype = inner.get("dtype")
            config: JsonObject = {
                key: shape,
                "dtype": dtype if isinstance(dtype, str) else "float32",
                "name": configs.name(first) + "_input",
            }
            layer: JsonObject = {"class_name": "InputLayer", "config": config}
            if "module" in first:
                layer |= {"module": "keras.layers", "registered_name": None}
            return [layer, *safe]
    return safe
