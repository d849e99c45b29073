"""What is written on the command line for an input."""

from __future__ import annotations

import pytest

from opcheck.errors import UsageError
from opcheck.worker.protocol import InputSpec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("x=2,3", InputSpec("x", (2, 3))),
        ("image=2,224,224,3:float16", InputSpec("image", (2, 224, 224, 3), "float16")),
        ("a/b=c:0= 1 , 2 : int32", InputSpec("a/b=c:0", (1, 2), "int32")),
        ("scalar=:float32", InputSpec("scalar", (), "float32")),
    ],
)
def test_an_input(text: str, spec: InputSpec) -> None:
    assert InputSpec.parse(text) == spec


@pytest.mark.parametrize("text", ["x", "=2", "x=2x3", "x=-1,3", "x=0", "x=?,3", "x=2.5"])
def test_not_an_input(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=SHAPE"):
        InputSpec.parse(text)
