"""SavedModel folders: saved_model.pb, and what Keras 2 stored beside it about layers.

Keras 2.5+ writes keras_metadata.pb; earlier ones put the same JSON into the object graph inside
saved_model.pb. Keras 3 exports neither. Field numbers are those of
tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph,saver,trackable_object_graph}
.proto (TensorFlow 2.15) and keras/protobuf/saved_metadata.proto (Keras 2.15).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from opcheck.errors import RefusedModelError, UnreadableModelError
from opcheck.loading import configs
from opcheck.loading.graphdef import file_op_hazards, node_name, read_graph
from opcheck.loading.jsontree import Json, JsonObject, parse_object
from opcheck.loading.keras_classes import keras_classes
from opcheck.loading.protobuf import WireError, fields, message, messages, text
from opcheck.loading.stored import StoredModel, model_from_config
from opcheck.loading.types import Hazard

_MODEL_META_GRAPH = 2
_META_GRAPH, _META_SAVER, _META_COLLECTION, _META_SIGNATURE, _META_OBJECTS = 2, 3, 4, 5, 7
_SAVER_FILE, _SAVER_SAVE, _SAVER_RESTORE = 1, 2, 3
_COLLECTION_NODES, _COLLECTION_BYTES, _LIST_VALUE = 1, 2, 1
_VARIABLE_NODES = (1, 2, 3, 6)  # a VariableDef's variable, initializer, snapshot, initial value
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_SIGNATURE_OUTPUT = 2
_TENSOR_NAME, _TENSOR_SPARSE, _TENSOR_COMPOSITE = 1, 4, 5
_SPARSE_PARTS, _COMPOSITE_PART = (1, 2, 3), 2
_OBJECTS_NODE, _OBJECTS_FUNCTION = 1, 2
_OBJECT_CHILD, _OBJECT_USER, _OBJECT_FUNCTIONS, _OBJECT_FUNCTION = 1, 4, 6, 8
_FUNCTION_NAME = 1
_CHILD_NODE, _CHILD_NAME = 1, 2
_USER_IDENTIFIER, _USER_METADATA = 1, 3
_METADATA_NODE = 1
_METADATA_PATH, _METADATA_IDENTIFIER, _METADATA_JSON = 3, 4, 5

_MAX_DEPTH = 40
_MOST_META_GRAPHS = 100
_MAX_PATH = 2000  # characters; each level of the object graph adds a name
_NO_METADATA = "This SavedModel carries no Keras metadata, so its layers are not known by name."


class KerasObject(NamedTuple):
    """An object Keras saved: its path of attributes (``root.encoder.out``) and its JSON."""

    path: str
    metadata: JsonObject


def read_savedmodel(model: memoryview, keras_metadata: memoryview | None, path: str) -> StoredModel:
    """Read a SavedModel. Raises UnreadableModelError when one of its files is damaged."""
    try:
        meta_graphs = list(islice(messages(model, _MODEL_META_GRAPH), _MOST_META_GRAPHS + 1))
        if not meta_graphs:
            raise UnreadableModelError(f"{path} is a SavedModel without a graph.")
        if len(meta_graphs) > _MOST_META_GRAPHS:
            raise RefusedModelError(f"{path} holds more than {_MOST_META_GRAPHS} graphs.")
        meta_graph = meta_graphs[0]
        # TensorFlow takes one of them by its tags.
        hazards = tuple(dict.fromkeys(h for meta in meta_graphs for h in _file_hazards(meta)))
        if keras_metadata is not None:
            objects = tuple(_from_metadata(keras_metadata, path))
        else:
            objects = tuple(_from_object_graph(meta_graph, path))
    except WireError as error:
        raise UnreadableModelError(
            f"{path} is a SavedModel that is damaged or cut short ({error}).",
            hint="Copy or download it again.",
        ) from None
    stored = _stored(objects, path)
    return msgspec.structs.replace(stored, hazards=stored.hazards + hazards)


def _stored(objects: tuple[KerasObject, ...], path: str) -> StoredModel:
    root = next((o.metadata for o in objects if o.path == "root"), None)
    if root is None:
        return StoredModel(notes=(_NO_METADATA,))
    training = root.get("training_config")
    version, backend = root.get("keras_version"), root.get("backend")
    stored = model_from_config(
        _layer(root),
        training=training if isinstance(training, dict) and training else None,
        keras_version=version if isinstance(version, str) else None,
        backend=backend if isinstance(backend, str) else None,
        path=path,
    )
    if "layers" in configs.config(root):
        return stored
    # Subclassed: the layers are those that were attributes of the model when it was saved.
    holder: JsonObject = {
        "class_name": "Sequential",
        "config": {"layers": _below(_tree(objects), "root")},
    }
    attributes = model_from_config(
        holder, training=None, keras_version=stored.keras_version, backend=None, path=path
    )
    return msgspec.structs.replace(
        stored,
        layers=attributes.layers,
        hazards=stored.hazards + attributes.hazards,
        architecture=stored.architecture if stored.layers else None,
        notes=("The model is subclassed: its layers are known, how they connect is not.",),
    )


def _below(tree: dict[str, list[KerasObject]], above: str, depth: int = 0) -> list[Json]:
    """The layers that are attributes of the object ``above``, as configs, at any depth."""
    if depth > _MAX_DEPTH:
        raise UnreadableModelError(f"The Keras objects nest deeper than {_MAX_DEPTH} levels.")
    found: list[Json] = []
    for saved in tree.get(above, ()):
        layer = _layer(saved.metadata)
        below = _below(tree, saved.path, depth + 1) if _holds_attributes(layer) else []
        if below:
            layer["config"] = {**configs.config(layer), "layers": below}
        found.append(layer)
    return found


def _tree(objects: tuple[KerasObject, ...]) -> dict[str, list[KerasObject]]:
    """Path -> the saved objects directly below; lists and dicts in between are not saved."""
    paths = {saved.path for saved in objects}
    tree: dict[str, list[KerasObject]] = {}
    for saved in objects:
        nearest = saved.path.rpartition(".")[0]
        while nearest and nearest not in paths:
            nearest = nearest.rpartition(".")[0]
        tree.setdefault(nearest, []).append(saved)
    return tree


def _holds_attributes(layer: JsonObject) -> bool:
    """Whether a layer's children are in no config: it is custom, or one of Keras' ready models."""
    if next(configs.children(layer), None) is not None:
        return False
    kind = keras_classes().kind(layer, None)
    return kind == "custom" or configs.class_name(layer).endswith("Model")


def _layer(metadata: JsonObject) -> JsonObject:
    """Metadata -> the layer as other formats store it."""
    inner = configs.config(metadata)
    if "name" not in inner and isinstance(metadata.get("name"), str):
        inner = {**inner, "name": metadata["name"]}
    return {"class_name": metadata.get("class_name"), "config": inner}


def _from_metadata(data: memoryview, path: str) -> Iterator[KerasObject]:
    for node in messages(data, _METADATA_NODE):
        texts = {field.number: field.text for field in fields(node) if field.payload is not None}
        if len(texts.get(_METADATA_PATH, "")) > _MAX_PATH:
            raise UnreadableModelError(
                f"A path in the Keras metadata of {path} is longer than {_MAX_PATH} characters."
            )
        saved = _keras_object(
            texts.get(_METADATA_PATH, ""),
            texts.get(_METADATA_IDENTIFIER, ""),
            texts.get(_METADATA_JSON, ""),
            path,
        )
        if saved is not None:
            yield saved


def _from_object_graph(meta_graph: memoryview, path: str) -> Iterator[KerasObject]:
    """The same objects from the object graph, walked breadth first as Keras names them."""
    data = list(messages(message(meta_graph, _META_OBJECTS), _OBJECTS_NODE))
    paths, queue = {0: "root"}, [0] if data else []
    for index in queue:  # grows while it is walked
        identifier = text = ""
        for field in fields(data[index]):
            if field.number == _OBJECT_CHILD:
                child, name = _reference(field.message)
                below = f"{paths[index]}.{name}"
                if child < len(data) and child not in paths and len(below) < _MAX_PATH:
                    paths[child] = below
                    queue.append(child)
            elif field.number == _OBJECT_USER:
                for inner in fields(field.message):
                    if inner.number == _USER_IDENTIFIER:
                        identifier = inner.text
                    elif inner.number == _USER_METADATA:
                        text = inner.text
        saved = _keras_object(paths[index], identifier, text, path)
        if saved is not None:
            yield saved


def _reference(data: memoryview) -> tuple[int, str]:
    node, name = 0, ""
    for field in fields(data):
        if field.number == _CHILD_NODE:
            node = field.integer
        elif field.number == _CHILD_NAME:
            name = field.text
    return node, name


def _keras_object(path: str, identifier: str, text: str, file: str) -> KerasObject | None:
    """None for what is not a layer or model: metrics, and objects of TensorFlow."""
    if not text or not identifier.startswith("_tf_keras_") or identifier.endswith("_metric"):
        return None
    metadata = parse_object(text, f"The Keras metadata of {path} in {file}")
    return KerasObject(path, metadata) if configs.is_object(metadata) else None


def _file_hazards(meta_graph: memoryview) -> tuple[Hazard, ...]:
    saver = message(meta_graph, _META_SAVER)
    return file_op_hazards(
        read_graph(message(meta_graph, _META_GRAPH)),
        running=[*_results(meta_graph), *_initializers(meta_graph)],
        functions=_callable(message(meta_graph, _META_OBJECTS)),
        saving=[node_name(text(saver, number)) for number in (_SAVER_FILE, _SAVER_SAVE)],
        restoring=[node_name(text(saver, _SAVER_RESTORE))],
    )


def _callable(objects: memoryview) -> Iterator[str]:
    """The functions that objects are; TensorFlow looks for them in the whole library."""
    for entry in messages(objects, _OBJECTS_FUNCTION):
        yield text(entry, _ENTRY_KEY)
    for each in messages(objects, _OBJECTS_NODE):
        for function in messages(each, _OBJECT_FUNCTIONS):
            yield from _texts(function, _FUNCTION_NAME)
        for function in messages(each, _OBJECT_FUNCTION):
            yield from _texts(function, _FUNCTION_NAME)


def _results(meta_graph: memoryview) -> Iterator[str]:
    """The nodes that signatures return."""
    for entry in messages(meta_graph, _META_SIGNATURE):
        for output in messages(message(entry, _ENTRY_VALUE), _SIGNATURE_OUTPUT):
            yield from map(node_name, _tensors(message(output, _ENTRY_VALUE)))


def _tensors(info: memoryview) -> Iterator[str]:
    """The tensors that a value consists of: one, or those of a sparse or ragged one."""
    todo = [info]
    while todo:
        part = todo.pop()
        yield from _texts(part, _TENSOR_NAME)
        for sparse in messages(part, _TENSOR_SPARSE):
            yield from _texts(sparse, *_SPARSE_PARTS)
        for composite in messages(part, _TENSOR_COMPOSITE):
            todo += messages(composite, _COMPOSITE_PART)


def _initializers(meta_graph: memoryview) -> Iterator[str]:
    """The nodes that collections list; those of some run when TensorFlow loads the model."""
    for entry in messages(meta_graph, _META_COLLECTION):
        key, collection = text(entry, _ENTRY_KEY), message(entry, _ENTRY_VALUE)
        yield from map(node_name, _texts(message(collection, _COLLECTION_NODES), _LIST_VALUE))
        if key.endswith("variables") or key == "global_step":
            for variable in messages(message(collection, _COLLECTION_BYTES), _LIST_VALUE):
                yield from map(node_name, _texts(variable, *_VARIABLE_NODES))


def _texts(data: memoryview, *numbers: int) -> Iterator[str]:
    return (field.text for field in fields(data) if field.number in numbers)
