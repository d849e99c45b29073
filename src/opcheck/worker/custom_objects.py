"""The user's own classes and functions, which a model file may name."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from opcheck.errors import BuildError
from opcheck.loading.keras_classes import is_keras_module
from opcheck.worker.messages import first_line


def custom_objects(modules: tuple[str, ...]) -> dict[str, Any]:
    """The classes and functions of the user's modules, by name. Imports them: the user asked.

    Not what a module imported itself, such as ``subprocess.run``: Keras would call that with what
    the model file says. Layers of other libraries are the exception: classes with a
    ``from_config`` that are not Keras' own.

    Raises:
        BuildError: one cannot be imported.
    """
    found: dict[str, Any] = {}
    for name in modules:
        try:
            module = importlib.import_module(name)
        except Exception as error:
            raise BuildError(
                f"--custom-objects {name} could not be imported: {first_line(error)}.",
                hint="Run opcheck where the module is importable, or fix the module.",
            ) from error
        found |= {word: value for word, value in vars(module).items() if _is_theirs(value, name)}
    return found


def _is_theirs(value: Any, module: str) -> bool:
    origin = str(getattr(value, "__module__", ""))
    own = origin.partition(".")[0] == module.partition(".")[0]
    if inspect.isclass(value):
        return own or (hasattr(value, "from_config") and not is_keras_module(origin))
    return own and inspect.isfunction(value)
