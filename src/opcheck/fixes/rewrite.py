"""What a rewrite is: one definition for the advice of a finding and for ``opcheck fix``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from opcheck.targets import Target


class Toolkit(Protocol):
    """The Keras that holds the model: rewrites get it handed in and import none.

    ``layers`` is its layer classes, ``ops`` functions on symbolic tensors that it can save
    (``keras.ops``, or TensorFlow's own in Keras 2).
    """

    @property
    def major(self) -> int: ...
    @property
    def layers(self) -> Any: ...
    @property
    def ops(self) -> Any: ...
    def call(self, layer: Any, x: Any) -> Any:
        """``layer(x)``, by another rewrite where one helps; the layer has its weights."""


class Rewrite(ABC):
    """Replaces one layer by others of Keras' own that compute the same numbers.

    ``classes``: the Keras classes it is for; a ``general`` one's advice suits other layers as well.
    ``cures``: op types that the layer brings and the replacement does not; the rewrite is of use
    where the accelerator lacks a kernel for one of them. ``needs``: op types that the replacement
    brings. ``advice`` is what a finding tells a person to do. A ``masked`` rewrite keeps Keras'
    masks; the others are left alone in a model that uses masks.
    """

    name: ClassVar[str]
    classes: ClassVar[frozenset[str]]
    cures: ClassVar[tuple[str, ...]]
    needs: ClassVar[tuple[str, ...]] = ()
    advice: ClassVar[str]
    masked: ClassVar[bool] = False
    general: ClassVar[bool] = True

    @abstractmethod
    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:
        """Whether it can replace such a layer, by its class and its config in Keras ``major``."""

    @abstractmethod
    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        """What ``layer(*args, **kwargs)`` gives, on symbolic tensors, computed otherwise.

        Weights are copied. Raises CannotRewriteError where the call forbids it.
        """

    def helps(self, target: Target) -> bool:
        """Whether the accelerator lacks what it cures and has what it needs."""

        def there(op: str) -> bool:
            return target.registry.has_op(op, target.device_type)

        return not all(map(there, self.cures)) and all(map(there, self.needs))


class CannotRewriteError(Exception):
    """This layer, or this call of it, is not one the rewrite knows; the message says why."""


_ELEMENTWISE = frozenset({"L1", "L1L2", "L2", "NonNeg"})
"""Regularizers and constraints of Keras that see numbers only, not where they stand."""


def copied(layer: Any, **changes: Any) -> Any:
    """A fresh layer of the same class and config but for ``changes``."""
    return type(layer).from_config({**layer.get_config(), **changes})


def trained_alike(layer: Any) -> dict[str, Any]:
    """Arguments for a layer whose kernel and bias are trained as those of ``layer``, of which they
    are another shape or a part.

    Raises:
        CannotRewriteError: a regularizer or a constraint for which the shape may count.
    """
    found = {"trainable": layer.trainable}
    for weight in ("kernel", "bias"):
        found[f"{weight}_initializer"] = getattr(layer, f"{weight}_initializer")
        for key in (f"{weight}_regularizer", f"{weight}_constraint"):
            found[key] = getattr(layer, key)
            kind = type(found[key]).__name__
            if found[key] is not None and kind not in _ELEMENTWISE:
                raise CannotRewriteError(f"its {key} {kind} may depend on the weight's shape")
    return found


def only_tensor(args: Any, kwargs: Any) -> Any:
    """The single input of a call."""
    if len(args) != 1 or {key for key, value in kwargs.items() if value is not None} - {"training"}:
        raise CannotRewriteError("it is called with more than one input")
    return args[0]


def static_shape(tensor: Any) -> tuple[int, ...]:
    """The shape without the batch, every dimension known."""
    shape = tuple(tensor.shape)[1:]
    if any(size is None for size in shape):
        raise CannotRewriteError("its input has dimensions that are not known")
    return tuple(int(size) for size in shape)
