"""Keras' own classes and functions across its versions, from the generated keras_classes.json."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from opcheck.graph import LayerKind
from opcheck.loading.jsontree import JsonObject

# The packages Keras' own modules are in. A name below them still has to be on the list.
_KERAS_MODULE = re.compile(
    r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.(keras|feature_column))(\.\w+)*"
)
# Python helpers that share the public namespaces with the names that configs use.
_HELPERS = re.compile(r"(de)?serialize.*|get|clone_.*")
_FUNCTION_KINDS = (
    "activations", "constraints", "initializers", "losses", "metrics", "regularizers",
)  # fmt: skip
_OBJECT_KINDS = (*_FUNCTION_KINDS, "optimizers", "policies", "quantizers", "schedules")
# TensorFlow's feature columns: data structures without code, inside DenseFeatures and friends.
_FEATURE_COLUMNS = frozenset(
    {"NumericColumn", "BucketizedColumn", "EmbeddingColumn", "SharedEmbeddingColumn"}
    | {"IndicatorColumn", "CrossedColumn", "HashedCategoricalColumn", "IdentityCategoricalColumn"}
    | {"VocabularyListCategoricalColumn", "WeightedCategoricalColumn"}
    | {"SequenceCategoricalColumn", "SequenceNumericColumn"}
)


def is_keras_module(module: str) -> bool:
    return _KERAS_MODULE.fullmatch(module) is not None


def version_tuple(version: str | None) -> tuple[int, ...] | None:
    """``"2.2.4-tf"`` -> ``(2, 2, 4)``; None when it is no version."""
    found = re.match(r"\d+(\.\d+)*", version or "")
    return tuple(int(part) for part in found[0].split(".")[:3]) if found else None


class KerasClasses:
    """Answers whether a name is Keras' own; names are compared exactly unless a method says so."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._layers: dict[str, dict[str, Any]] = data["layers"]
        self._operations: dict[str, frozenset[str]] = {
            module: frozenset(names) for module, names in data["operations"].items()
        }
        self._named = {
            kind: frozenset(n for n in data[kind] if not _HELPERS.fullmatch(n))
            for kind in _OBJECT_KINDS
        }

    def is_layer(self, name: str, module: str | None = None) -> bool:
        """Whether Keras has this layer, model or operation (in ``module``, when one is named)."""
        if module is not None and not is_keras_module(module):
            return False
        if name in self._layers:
            return True
        if module in self._operations:
            return name in self._operations[module]
        return any(name in names for names in self._operations.values())

    def is_object(self, name: str, module: str | None = None) -> bool:
        """Whether Keras has this class: a layer, optimizer, loss, initializer, policy, ..."""
        if name in _FEATURE_COLUMNS:
            return module is None or is_keras_module(module)
        return self.is_layer(name, module) or (
            (module is None or is_keras_module(module))
            and any(name in names for names in self._named.values())
        )

    def is_function(self, name: str) -> bool:
        """Whether this is a function that a config may name: an activation, a loss, ..."""
        return any(name in self._named[kind] for kind in _FUNCTION_KINDS)

    def is_named(self, kind: str, name: str) -> bool:
        """Whether a plain string names something of ``kind``; Keras ignores case for some."""
        names = self._named[kind]
        return name in names or name.lower() in {known.lower() for known in names}

    def kind(self, layer: JsonObject, keras_version: str | None) -> LayerKind:
        """The kind of a serialized layer; ``wrapper`` is decided by who knows its children."""
        name, module = layer.get("class_name"), layer.get("module")
        registered = layer.get("registered_name")
        module = module if isinstance(module, str) else None
        if not isinstance(name, str) or ">" in name:
            return "custom"
        if isinstance(registered, str) and ">" in registered:
            return "custom"
        if not self.is_layer(name, module):
            return "custom"
        if name == "Lambda":
            return "lambda"
        return "experimental" if self._is_experimental(name, module, keras_version) else "builtin"

    def _is_experimental(self, name: str, module: str | None, keras_version: str | None) -> bool:
        if module is not None and "experimental" in module.split("."):
            return True
        record = self._layers.get(name, {})
        last = version_tuple(record.get("experimental_until"))
        if last is None:
            return False
        version = version_tuple(keras_version)
        if version is None:  # only sure of those that never left the namespace
            return bool(record["experimental_until"] == record["until"])
        return version[: len(last)] <= last

    def public_module(self, name: str, kind: LayerKind) -> str | None:
        """Where a layer of Keras is found, for files that do not say; None for a custom one."""
        record = self._layers.get(name)
        if kind == "custom" or record is None:
            return None
        where = record.get("experimental" if kind == "experimental" else "modules")
        return str(where[0]) if where else "keras.layers"


@cache
def keras_classes() -> KerasClasses:
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    return KerasClasses(json.loads(text))
