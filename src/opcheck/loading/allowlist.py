"""What a config may ask Keras to build without running code from the file or reading other files.

Each function looks at one serialized object and returns None when it is Keras' own and harmless,
else the hazard: its code and what is wrong, as the second half of a sentence.
"""

from __future__ import annotations

import builtins
import re
import sys
from typing import NamedTuple

from opcheck.errors import UnreadableModelError
from opcheck.loading import configs
from opcheck.loading.jsontree import Json, JsonObject, parse_object
from opcheck.loading.keras_classes import KerasClasses, is_keras_module
from opcheck.loading.tensorflow_names import (
    is_file_function,
    is_file_op,
    is_tensor_function,
)

_TENSOR_CLASSES = frozenset({"RaggedTensor", "SparseTensor", "TensorShape"})
_VALUES = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__slice__", "__ellipsis__", "__bytes__"}
    | {"__tuple__", "__dict__", "TensorShape"}
)
# The only type specs that Keras writes: TensorFlow's, of its versions from 2.12 on.
_TYPE_SPECS = {
    "TensorSpec": ("tensorflow.python.framework.tensor", "tensorflow.python.framework.tensor_spec"),
    "RaggedTensorSpec": ("tensorflow.python.ops.ragged.ragged_tensor",),
    "SparseTensorSpec": ("tensorflow.python.framework.sparse_tensor",),
    "IndexedSlicesSpec": ("tensorflow.python.framework.indexed_slices",),
}

# Around the cell of an RNN. Their functions are kept as code, or named in any module.
_CELL_WRAPPERS = {
    name: (f"{what}_fn", f"{what}_fn_type", f"{what}_fn_module")
    for name, what in (("ResidualWrapper", "residual"), ("DropoutWrapper", "dropout"))
}


# Ops that read or write a file if an attribute says so; layers have no use for them.
_WITH_A_FILE = frozenset({"PrintV2", "EncodeProto", "DecodeProtoV2"})


class Objection(NamedTuple):
    code: str
    reason: str


def judge_layer(layer: JsonObject, classes: KerasClasses, *, trust: bool) -> Objection | None:
    """Judge an object that stands where a layer belongs; its children are not looked at."""
    name, module = configs.class_name(layer), configs.module(layer)
    unsafe = _names_python(module, name) or _names_another(layer)
    if unsafe is not None:
        return unsafe
    kind = classes.kind(layer, None)
    if kind == "custom":
        return _custom_layer(layer, name, module)
    inner = configs.config(layer)
    if name == "Lambda":
        return None if trust else Objection("lambda", "is a Lambda: Python code inside the file")
    if name in ("TFSMLayer", "ReloadedLayer"):
        return Objection("tfsm-layer", f"loads the SavedModel {inner.get('filepath')!r}")
    if name == "TorchModuleWrapper":
        return Objection("torch-module", "holds a pickled PyTorch module, which can run any code")
    if name in ("JaxLayer", "FlaxLayer"):
        return Objection("custom-function", f"is a {name}: it calls a function of another library")
    if name in _CELL_WRAPPERS and any(inner.get(key) is not None for key in _CELL_WRAPPERS[name]):
        return None if trust else Objection("lambda", f"is a {name} with a function of its own")
    if name in ("TFOpLambda", "SlicingOpLambda"):
        return _tf_function(inner.get("function"))
    if name == "ClassMethod":
        symbol = inner.get("cls_symbol")
        known = isinstance(symbol, str) and symbol.rpartition(".")[2] in _TENSOR_CLASSES
        return None if known else Objection("unsafe-config", f"calls a method of {symbol!r}")
    if name in ("InstanceMethod", "InstanceProperty"):
        attribute = inner.get("method_name", inner.get("attr_name"))
        public = isinstance(attribute, str) and not attribute.startswith("_")
        return None if public else Objection("unsafe-config", f"reads the attribute {attribute!r}")
    if name == "TensorFlowOpLayer":
        return _op_layer(inner.get("node_def"))
    return None


def judge_object(value: JsonObject, classes: KerasClasses) -> Objection | None:
    """Judge an object anywhere else in a config: an activation, a loss, a dtype policy, ..."""
    name, module = str(value["class_name"]), configs.module(value)
    if name == "__lambda__":
        return Objection("lambda", "is a lambda: Python code inside the file")
    if name in _VALUES and module is None:
        return None
    if name in ("__typespec__", "TypeSpec"):
        return _type_spec(value)
    if name == "function":
        return _names_another(value) or _function(value, classes, module)
    unsafe = _names_python(module, name) or _names_another(value)
    if unsafe is not None:
        return unsafe
    bare = name.removeprefix("Custom>")  # Keras 2.11+ registers its own optimizers so
    if bare != name and not classes.is_named("optimizers", bare):
        bare = name
    if configs.config(value).get("ckpt_to_load_from") is not None:
        return Objection("external-file", f"{name} reads a checkpoint")
    if classes.is_object(bare, module) and not _is_foreign(value.get("registered_name")):
        layer = {**value, "class_name": bare}
        risky = judge_layer(layer, classes, trust=False) if classes.is_layer(bare, module) else None
        return risky if risky is None or risky.code != "custom-layer" else None
    if _VOCABULARY_FILE.search(name):
        return Objection("external-vocabulary", f"{name} reads a vocabulary file")
    if module is not None and is_keras_module(module) and name[:1].islower():
        return Objection("unsafe-config", f"names {module}.{name}, which is no class of a model")
    return Objection("custom-function", f"{describe(value)} is not part of Keras")


def judge_string(key: str, value: str, classes: KerasClasses) -> Objection | None:
    """Judge a plain string where Keras expects the name of a function of its own."""
    kind = kind_of_key(key)
    if kind is None or classes.is_named(kind, value) or classes.is_layer(value):
        return None
    return Objection("custom-function", f"{key} {value!r} is not part of Keras")


def judge_vocabulary(layer: JsonObject) -> Objection | None:
    """A vocabulary is a list of tokens; as a string it is a path or URL that Keras would open."""
    value = configs.config(layer).get("vocabulary")
    if isinstance(value, str):
        return Objection("external-vocabulary", f"reads its vocabulary from {value!r}")
    return None


def kind_of_key(key: str) -> str | None:
    """``recurrent_activation`` -> ``activations``; None for keys that hold no named object."""
    for ending in ("activation", "initializer", "regularizer", "constraint"):
        if key == ending or key.endswith("_" + ending):
            return ending + "s"
    return None


def describe(value: JsonObject) -> str:
    """The object as its author would name it: registered name, else module and class."""
    name = configs.registered_name(value) or str(value.get("class_name"))
    inner, module = value.get("config"), configs.module(value)
    if name == "function" and isinstance(inner, str):
        name = inner
    own = ">" in name or module in (None, "builtins")
    return name if own else f"{module}.{name}"


_VOCABULARY_FILE = re.compile("VocabularyFile")


def _custom_layer(layer: JsonObject, name: str, module: str | None) -> Objection:
    if module is not None and is_keras_module(module) and name[:1].islower():
        return Objection("unsafe-config", f"names {module}.{name}, which is no layer")
    reason = f"is of the class {describe(layer)}, which is not part of Keras"
    return Objection("custom-layer", reason)


def _function(value: JsonObject, classes: KerasClasses, module: str | None) -> Objection | None:
    name = value.get("config")
    if not isinstance(name, str):
        return Objection("unsafe-config", "names no function")
    if module is not None and module != "builtins":
        if (unsafe := _names_python(module, name)) is not None:
            return unsafe
        if is_keras_module(module) and not classes.is_function(name):
            reason = f"names {module}.{name}, which is no function of a model"
            return Objection("unsafe-config", reason)
        if not is_keras_module(module):
            return Objection("custom-function", f"{module}.{name} is not part of Keras")
    if classes.is_function(name):
        return None
    if hasattr(builtins, name):
        return Objection("unsafe-config", f"names the Python builtin {name}")
    return Objection("custom-function", f"the function {name} is not part of Keras")


def _names_python(module: str | None, name: str) -> Objection | None:
    root = (module or "").partition(".")[0]
    if root in sys.stdlib_module_names and root != "builtins":
        return Objection("unsafe-config", f"names {module}.{name} of Python's standard library")
    if root == "builtins" and name != "function" and hasattr(builtins, name):
        return Objection("unsafe-config", f"names the Python builtin {name}")
    return None


def _type_spec(value: JsonObject) -> Objection | None:
    """``TypeSpec`` is how Keras 2 writes one in HDF5: looked up among those that are registered."""
    module, registered = value.get("module"), value.get("registered_name")
    spec = value.get("spec_name")
    of = _TYPE_SPECS.get(spec, ()) if isinstance(spec, str) else ()
    written = value["class_name"] == "TypeSpec" and module is None
    if registered is None and (written or module in of):
        return None
    return Objection("unsafe-config", f"names the type {spec!r} of the module {module!r}")


def _names_another(value: JsonObject) -> Objection | None:
    """Whether it is found by another way than by its own name in a module of Keras.

    Where ``module`` has no ``class_name``, Keras takes what has the ``registered_name`` there: that
    may be a Lambda. TensorFlow's own copy of Keras knows no safe mode, and no file names it.
    """
    registered, module = value.get("registered_name"), configs.module(value)
    own = [v for v in (value.get("class_name"), value.get("config")) if isinstance(v, str)]
    if registered is not None and registered not in own and not _is_foreign(registered):
        return Objection("unsafe-config", f"is {describe(value)}, registered as {registered!r}")
    if module is not None and module.startswith("tensorflow."):
        return Objection("unsafe-config", f"names {module}.{configs.class_name(value)}")
    return None


def _is_foreign(registered: Json) -> bool:
    return isinstance(registered, str) and ">" in registered


def _tf_function(function: Json) -> Objection | None:
    if not isinstance(function, str):
        return Objection("unsafe-config", "names no TensorFlow function")
    if is_tensor_function(function):
        return None
    return Objection(
        "file-op" if is_file_function(function) else "unsafe-config",
        f"calls tf.{function}, which is not one of the functions that only compute",
    )


def _op_layer(node: Json) -> Objection | None:
    """A TensorFlowOpLayer holds one NodeDef, as a dict or as its JSON text."""
    if isinstance(node, str):
        try:
            node = parse_object(node, "node_def")
        except UnreadableModelError:
            return Objection("file-op", "runs an op that cannot be read")
    op = node.get("op") if isinstance(node, dict) else None
    if not isinstance(op, str) or is_file_op(op) or op in _WITH_A_FILE:
        return Objection("file-op", f"runs the op {op}")
    return None
