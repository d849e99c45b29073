"""Which of what the user's module holds a model file may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcheck.errors import BuildError
from opcheck.worker.custom_objects import custom_objects

LIBRARY = """
class Layer:
    @classmethod
    def from_config(cls, config): ...
class Popen: ...
def run(*args, **kwargs): ...
"""
OWN = """
from os import system
from subprocess import Popen, run
from their_library import Layer as Theirs, run as theirs
from their_package.inner import Inner
class Mine: ...
def act(x): ...
Layer = type("Lambda", (Theirs,), {"__module__": "keras.src.layers.core.lambda_layer"})
VALUE = 3
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_library.py").write_text(LIBRARY)
    (tmp_path / "their_package").mkdir()
    (tmp_path / "their_package" / "__init__.py").write_text("from .inner import Inner, act\n")
    (tmp_path / "their_package" / "inner.py").write_text("class Inner: ...\ndef act(x): ...\n")
    (tmp_path / "own_layers.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("modules")
def test_what_a_module_only_imported_is_not_the_users() -> None:
    """Keras would call ``run`` with the arguments that the file gives; Keras' own Lambda comes
    under the name that the file gives it."""
    assert custom_objects(("own_layers",)).keys() == {"Mine", "act", "Theirs"}
    assert custom_objects(("their_package",)).keys() == {"Inner", "act"}


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(BuildError, match="--custom-objects no_such_module could not be imported"):
        custom_objects(("no_such_module",))
