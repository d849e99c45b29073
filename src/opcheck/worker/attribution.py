"""Writes onto each op, while it is traced, which layer made it and what part of the step it is.

Names cannot tell: a shared layer's second call and its neighbour may get the same scope. So for
the time of a trace Keras' ``Layer.__call__`` keeps a stack of the layers being called, and every op
TensorFlow creates is stamped with the top of it, as a private attribute of its NodeDef (TensorFlow
ignores attributes that begin with an underscore), which survives into function bodies.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from tensorflow.core.framework import attr_value_pb2
from tensorflow.python.eager import backprop
from tensorflow.python.framework import ops

from opcheck.graph import Role

LAYER_ATTR = "_opcheck_layer"
ROLE_ATTR = "_opcheck_role"


class Attribution:
    """``paths`` maps ``id(layer)`` to its path; ``""`` is the root model, which owns no op.

    ``outside`` is the role of what the step does outside the model's own call; ``embedding`` is
    Keras' class of that name.
    """

    def __init__(self, paths: dict[int, str], outside: Role, embedding: Any) -> None:
        self._paths = paths
        self._embedding = embedding
        self._lookups: list[tuple[Any, int]] = []
        self._layers: list[str] = [""]
        self._roles: list[Role] = [outside]

    @contextlib.contextmanager
    def recording(
        self, layer_classes: tuple[type, ...], model: Any
    ) -> Iterator[list[tuple[Any, int]]]:
        """Stamp every op created inside. Restores what it wrapped.

        Gives the tensors that Embedding layers are called on inside, each with their size.
        """
        self._lookups = []
        wraps: list[tuple[Any, str, Callable[..., Any]]] = [
            (ops.Graph, "_create_op_internal", self._stamped),
            *((cls, "__call__", self._in_layer) for cls in layer_classes),
            (backprop.GradientTape, "gradient", self._in_role("backward")),
        ]
        for method in ("compute_loss", "_compute_loss"):
            if hasattr(type(model), method):
                wraps.append((type(model), method, self._in_role("loss")))
        for method in ("compute_metrics",):
            if hasattr(type(model), method):
                wraps.append((type(model), method, self._in_role("metrics")))
        optimizer = getattr(model, "optimizer", None)
        for method in ("apply_gradients", "apply"):
            if optimizer is not None and hasattr(type(optimizer), method):
                wraps.append((type(optimizer), method, self._in_role("optimizer")))
        with contextlib.ExitStack() as stack:
            for owner, name, wrap in wraps:
                stack.enter_context(_replaced(owner, name, wrap))
            yield self._lookups

    def _stamped(self, create: Callable[..., Any]) -> Callable[..., Any]:
        def create_op(graph: Any, *args: Any, **kwargs: Any) -> Any:
            op = create(graph, *args, **kwargs)
            if self._layers[-1]:
                op._set_attr(LAYER_ATTR, _text(self._layers[-1]))
            op._set_attr(ROLE_ATTR, _text(self._roles[-1]))
            return op

        return create_op

    def _in_layer(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def call_layer(layer: Any, *args: Any, **kwargs: Any) -> Any:
            # An unknown layer (made inside another's call) belongs to the one that called it.
            self._layers.append(self._paths.get(id(layer), self._layers[-1]))
            self._roles.append("forward" if len(self._roles) == 1 else self._roles[-1])
            if isinstance(layer, self._embedding) and args:
                self._lookups.append((args[0], layer.input_dim))
            try:
                return call(layer, *args, **kwargs)
            finally:
                self._roles.pop()
                self._layers.pop()

        return call_layer

    def _in_role(self, role: Role) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
            def with_role(*args: Any, **kwargs: Any) -> Any:
                self._roles.append(role)
                self._layers.append("")
                try:
                    return method(*args, **kwargs)
                finally:
                    self._layers.pop()
                    self._roles.pop()

            return with_role

        return wrap


@contextlib.contextmanager
def _replaced(owner: Any, name: str, wrap: Callable[..., Any]) -> Iterator[None]:
    own = vars(owner).get(name)
    original = getattr(owner, name)
    replacement: Any = functools.wraps(original)(wrap(original))
    # AutoGraph must call the wrapper as it is, else it stops converting what is called below.
    replacement.autograph_info__ = {}
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


def _text(value: str) -> Any:
    return attr_value_pb2.AttrValue(s=value.encode())
