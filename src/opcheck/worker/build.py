"""Rebuilds a Keras model from its config (no weights are read), or takes a factory's."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from dataclasses import dataclass
from typing import Any

from opcheck.errors import BuildError, UsageError
from opcheck.graph import LayerNode
from opcheck.loading import SafeConfig, safe_config
from opcheck.loading.jsontree import JsonObject
from opcheck.loading.keras_classes import keras_classes
from opcheck.loading.shapes import Output
from opcheck.loading.types import Hazard
from opcheck.worker.custom_objects import custom_objects
from opcheck.worker.inputs import given
from opcheck.worker.keras_api import KerasApi, available
from opcheck.worker.layer_walk import walk
from opcheck.worker.messages import first_line
from opcheck.worker.opaque import opaque_layer
from opcheck.worker.protocol import AssumedShape, WorkerRequest
from opcheck.worker.signature import Signature, signature_of


@dataclass(frozen=True)
class BuiltModel:
    """``paths`` maps ``id(layer)`` to its path; ``signature`` is what it is called with and gives;
    ``compile_config`` is what the file stores, safe.

    ``replaced`` says what of the file was not rebuilt but replaced by something neutral.
    """

    model: Any
    api: KerasApi
    layers: tuple[LayerNode, ...]
    paths: dict[int, str]
    signature: Signature
    compile_config: dict[str, Any] | None
    replaced: tuple[Hazard, ...]
    notes: tuple[str, ...]


def build(request: WorkerRequest) -> BuiltModel:
    """A live model of ``request.source``.

    Raises:
        BuildError: no installed Keras can rebuild it, or the factory fails.
        UsageError: what ``request`` says of the inputs is not the model's, or an assumed shape is
            of no layer that a stand-in replaces.
    """
    custom = custom_objects(request.custom_objects)
    if request.source.format == "factory":
        return _from_factory(request)
    return _from_config(request, custom)


def _named(custom: dict[str, Any], api: KerasApi, architecture: str) -> dict[str, Any]:
    """The user's objects by every name that a config may call them.

    A config of the older kind says ``Dense`` for Keras' own layer and for a user's that is called
    so too: there Keras' own is meant, as it is where the model was saved.
    """
    found = {api.registered_name(value): value for value in custom.values()}
    if _says_whose(json.loads(architecture)):
        return {**custom, **found}
    return {
        name: value
        for name, value in {**custom, **found}.items()
        if not hasattr(api.module.layers, name)
    }


def _says_whose(config: dict[str, Any]) -> bool:
    """Whether a layer's class is named with its module: an archive of Keras 2.12 does not do so for
    the layers of a functional model."""
    layers = config.get("config", {}).get("layers", []) if "registered_name" in config else [{}]
    return all("module" in layer for layer in layers if isinstance(layer, dict))


def _from_config(request: WorkerRequest, custom: dict[str, Any]) -> BuiltModel:
    source = request.source
    assert source.architecture is not None
    major = _major(source.keras_version)
    failures: list[str] = []
    for api in available(major, source.keras_package):
        if major == 3 and api.major < 3:
            failures.append(f"Keras {api.version} cannot read what Keras 3 writes")
            continue
        named = _named(custom, api, source.architecture)
        safe = safe_config(
            source.architecture,
            allow=frozenset(named),
            functions=frozenset(name for name in named if inspect.isfunction(named[name])),
            trust=request.trust,
            training=source.training,
            assumed=_assumed(request),
        )
        _check_assumed(request, safe)
        try:
            if request.trust:
                api.allow_lambdas()
            config = json.loads(safe.architecture)
            known = {**api.experimental(), **named, **_stand_ins(api)}
            model = api.model_from_config(config, known, trust=request.trust)
        except Exception as error:
            failures.append(f"with {api.package} {api.version}: {first_line(error)}")
            continue
        notes = tuple(f"Not opened {failure}." for failure in failures)
        return _built(
            model,
            api,
            request,
            json.loads(safe.training) if safe.training else None,
            safe.hazards,
            notes,
        )
    raise BuildError(
        f"{source.path} could not be rebuilt ({'; '.join(failures) or 'no Keras is installed'}).",
        hint=_hint(major, failures),
    )


def _assumed(request: WorkerRequest) -> dict[str, Output]:
    """The outputs that the user gives, by layer; several of one layer as lists."""
    found: dict[str, list[AssumedShape]] = {}
    for shape in request.shapes:
        found.setdefault(shape.layer, []).append(shape)
    return {
        layer: Output(list(one[0].shape), one[0].dtype)
        if len(one) == 1
        else Output([list(s.shape) for s in one], [s.dtype for s in one])
        for layer, one in found.items()
    }


def _check_assumed(request: WorkerRequest, safe: SafeConfig) -> None:
    """Raises UsageError for a shape of a layer that is rebuilt, or not there."""
    opaque = [what.layer for what in safe.opaque if what.layer is not None]
    for shape in request.shapes:
        if shape.layer not in opaque:
            raise UsageError(
                f"--assume-shape {shape.layer}: no stand-in takes the place of such a layer.",
                hint=f"Those that one does: {', '.join(opaque[:20]) or 'none'}.",
            )


def _stand_ins(api: KerasApi) -> dict[str, Any]:
    stand_in = opaque_layer(api)
    return {"OpaqueLayer": stand_in, "opcheck>OpaqueLayer": stand_in}


def _hint(major: int | None, failures: list[str]) -> str:
    if any("Could not locate" in failure for failure in failures):
        return "Say where the model's own code is: --custom-objects package.module."
    if major == 3 and any(failure.startswith("with keras") for failure in failures):
        return (
            "Keras itself must open it: try keras.saving.load_model with the Keras that wrote it."
        )
    if major == 3:
        return "Run opcheck in an environment with Keras 3 (TensorFlow 2.16 or newer)."
    if major == 2:
        return "Keras 2 files often open with tf_keras: pip install 'opcheck[tf]'."
    return "Check the file with the Keras that wrote it."


def _from_factory(request: WorkerRequest) -> BuiltModel:
    source = request.source
    module_name, _, attribute = source.path.partition(":")
    sys.path.insert(0, "")  # as `python -m` and pytest find the user's modules
    try:
        factory = importlib.import_module(module_name)
        for part in attribute.split("."):
            factory = getattr(factory, part)
        model = factory() if callable(factory) and not hasattr(factory, "layers") else factory
    except Exception as error:
        raise BuildError(
            f"{source.path} did not give a model: {first_line(error)}.",
            hint="It must name a function without arguments that returns a built Keras model.",
        ) from error
    return built_from(model, request)


def built_from(model: Any, request: WorkerRequest) -> BuiltModel:
    """A model that is there already. Raises BuildError for anything else."""
    for api in available(None):
        if isinstance(model, api.module.Model):
            return _built(model, api, request, None, (), ())
    raise BuildError(
        f"{request.source.path} returned {type(model).__name__}, which is no Keras model.",
        hint="Return a keras.Model.",
    )


def _built(
    model: Any,
    api: KerasApi,
    request: WorkerRequest,
    compile_config: dict[str, Any] | None,
    replaced: tuple[Hazard, ...],
    notes: tuple[str, ...],
) -> BuiltModel:
    source = request.source
    signature = _signature(model, request)
    known = {layer.path: layer for layer in source.layers}
    paths = {id(model): ""}
    layers = []
    for path, layer in walk(model, api):
        paths[id(layer)] = path
        layers.append(known.get(path) or _node(path, layer, api))
    return BuiltModel(model, api, tuple(layers), paths, signature, compile_config, replaced, notes)


def _signature(model: Any, request: WorkerRequest) -> Signature:
    path = request.source.path
    try:
        signature = signature_of(model, given(request))
    except UsageError:
        raise
    except Exception as error:
        raise BuildError(
            f"{path}: the inference function could not be traced: {first_line(error)}.",
            hint="Say what the model takes, such as --input x=2,16:int32.",
        ) from error
    if signature is None:
        raise BuildError(
            f"{path}: the model has no input shape yet.",
            hint="Say what it takes, such as --input x=2,32,32,3:float32; or call it once on data "
            "(or give its first layer an Input) before it is saved or returned.",
        )
    return signature


def _node(path: str, layer: Any, api: KerasApi) -> LayerNode:
    cls = type(layer)
    stored: JsonObject = {"class_name": cls.__name__, "module": cls.__module__}
    return LayerNode(
        path=path,
        class_name=cls.__name__,
        module=cls.__module__,
        kind=keras_classes().kind(stored, api.version),
        parent=path.rpartition("/")[0] or None,
    )


def _major(version: str | None) -> int | None:
    head = (version or "").partition(".")[0]
    return int(head) if head.isdigit() else None
