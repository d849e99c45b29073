"""One face for the Kerases that can build a model: Keras 3, Keras 2 (``tf.keras``),
``tf_keras``."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KerasApi:
    """``package`` is the name it imports as; ``module`` its public API; ``version`` its version."""

    package: str
    module: Any
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def layer_classes(self) -> tuple[type, ...]:
        """The classes whose ``__call__`` every layer's call goes through.

        In Keras 3 an operation on symbolic tensors (``keras.ops.add``) is a node of the model
        beside its layers.
        """
        classes = [self.module.layers.Layer]
        if self.major >= 3:
            classes.append(self.module.Operation)
        return tuple(classes)

    @property
    def model_classes(self) -> tuple[type, ...]:
        """Keras' own classes of models, without what other classes make of them."""
        return self.module.Model, self.module.Sequential, self._functional

    def model_from_config(
        self, config: dict[str, Any], custom_objects: dict[str, Any], *, trust: bool
    ) -> Any:
        """Rebuild a model from its (already safe) config, whichever generation wrote it.

        ``trust`` lets Lambda layers have the code that the file holds.
        """
        with self._giving_up():
            return self._model_from_config(config, custom_objects, safe_mode=not trust)

    def _model_from_config(
        self, config: dict[str, Any], custom_objects: dict[str, Any], *, safe_mode: bool
    ) -> Any:
        if "registered_name" in config:  # the format of `.keras` archives and of Keras 3
            library = self._internal("src.saving.serialization_lib", "saving.serialization_lib")
            if config["class_name"] == "Functional":  # its module moved with almost every version
                config = {**config, "module": self._functional.__module__}
            return library.deserialize_keras_object(
                config, custom_objects=custom_objects, safe_mode=safe_mode
            )
        if self.major >= 3:
            utils = self._internal("src.legacy.saving.saving_utils")
            return utils.model_from_config(config, custom_objects=custom_objects)
        return self.module.models.model_from_config(config, custom_objects=custom_objects)

    def registered_name(self, value: Any) -> str:
        """``package>Name`` of a registered class or function, its plain name otherwise."""
        place = self.module.saving if self.major >= 3 else self.module.utils
        return str(place.get_registered_name(value))

    def allow_lambdas(self) -> None:
        """Let Lambda layers be rebuilt from stored code; before Keras 2.13 they always are."""
        with contextlib.suppress(ImportError, AttributeError):
            library = self._internal("src.saving.serialization_lib", "saving.serialization_lib")
            library.enable_unsafe_deserialization()

    def experimental(self) -> dict[str, Any]:
        """Keras' own classes that live under ``experimental``, which it does not look up itself."""
        found: dict[str, Any] = {}
        for place in ("experimental", "layers.experimental.preprocessing"):
            with contextlib.suppress(AttributeError):
                found.update(vars(functools.reduce(getattr, place.split("."), self.module)))
        return {name: value for name, value in found.items() if inspect.isclass(value)}

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Inside, Keras 3 does not wait forever for a call that cannot be made.

        It tries one again whenever that raised IndexError, whatever the cause; the first versions
        without end. Here it is over as soon as a round of tries has made no call.
        """
        functional: Any = importlib.import_module(self._functional.__module__)
        original = getattr(functional, "deserialize_node", None)
        if original is None:  # Keras 2
            yield
            return
        made: dict[int, int] = {}  # how many calls there were at the last try, by node

        def deserialize_node(node_data: Any, created_layers: dict[str, Any]) -> Any:
            if id(node_data) in made:
                calls = sum(len(layer._inbound_nodes) for layer in created_layers.values())
                if calls == made[id(node_data)]:
                    raise ValueError("a layer reads an output that no layer gives")
                made[id(node_data)] = calls
            else:
                made[id(node_data)] = -1
            return original(node_data, created_layers)

        functional.deserialize_node = deserialize_node
        try:
            yield
        finally:
            functional.deserialize_node = original

    @property
    def _functional(self) -> type:
        module = self._internal(
            "src.models.functional", "src.engine.functional", "engine.functional"
        )
        return module.Functional  # type: ignore[no-any-return]

    def _internal(self, *candidates: str) -> Any:
        """The first importable of Keras' internal modules (they moved between versions)."""
        for name in candidates:
            try:
                return importlib.import_module(f"{self.package}.{name}")
            except ImportError:
                continue
        raise ImportError(f"{self.package} {self.version} has none of {', '.join(candidates)}")


def available(written_by: int | None, only: str | None = None) -> Iterator[KerasApi]:
    """The installed Kerases to try, best first, for a file of Keras major version ``written_by``.

    That is the environment's own Keras, then ``tf_keras`` (Keras 2) unless Keras 3 wrote the file;
    or the package ``only``.
    """
    import tensorflow as tf

    packages = ("keras",) if written_by == 3 else ("keras", "tf_keras")
    if only is not None:
        packages = (only,)
    for package in packages:
        if importlib.util.find_spec(package) is not None:
            module = importlib.import_module(package)
            version = str(module.__version__)
            if package == "keras" and version.startswith("2."):
                module = tf.keras  # all of Keras 2's API is only there
            yield KerasApi(package, module, version)
