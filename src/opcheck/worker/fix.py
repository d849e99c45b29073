"""``opcheck fix`` inside the worker: rewrite, keep the weights, prove it, save."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf
from msgspec import structs

from opcheck import targets
from opcheck.errors import BuildError, CannotFixError
from opcheck.fixes import CannotRewriteError, rewrite_for
from opcheck.fixes.narrow import NAME, narrowed
from opcheck.worker.build import BuiltModel, build
from opcheck.worker.compile_config import compile_as_stored
from opcheck.worker.custom_objects import custom_objects
from opcheck.worker.inputs import example, filled, spec_of, structure_of
from opcheck.worker.layer_walk import walk
from opcheck.worker.messages import first_line
from opcheck.worker.protocol import FixReply, FixRequest, LeftLayer, RewrittenLayer
from opcheck.worker.rebuild import Call, is_functional, nodes, rebuilt, toolkit

RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""How far outputs may be apart, of the largest of the original's and at all: float32 sums in
another order. A wrong rewrite is off by orders of magnitude more."""

_UNPROVEN = "Nothing was written. Please report it with the model's config."
_NARROWED = "It computes in float32 now: to 7 digits, where float64 has 15."


def fixed(request: FixRequest, progress: Callable[[str], None]) -> FixReply:
    """Write the rewritten model to ``request.output``.

    Raises:
        BuildError: the model cannot be opened with its weights.
        CannotFixError: nothing can be rewritten, or the numbers are not the same.
    """
    progress("building the model")
    built = build(request.check)
    path = request.check.source.path
    _refuse(built)
    _load_weights(built, path)
    progress("rewriting layers")
    changes: dict[str, RewrittenLayer] = {}
    left: dict[str, LeftLayer] = {}
    start = _narrow(built, request, changes)
    if (built.compile_config or {}).get("jit_compile") is True:
        done = [changes[""].rewrite] if "" in changes else []
        name = " + ".join([*done, "jit-compile-off"])
        changes[""] = RewrittenLayer("", type(built.model).__name__, name)
    new = rebuilt(start.model, start.api, _replacing(start, request, changes, left))
    if not changes:
        why = "; ".join(f"{one.path}: {one.why}" for one in left.values())
        raise CannotFixError(
            f"{path}: opcheck knows no rewrite of its layers that helps on "
            f"{request.target.partition(',')[0]}{f' ({why})' if why else ''}.",
            hint="opcheck check says what leaves the accelerator, and what to do by hand.",
        )
    progress("comparing outputs")
    inputs = _inputs(built, request.check.batch_size)
    _compare(built.model, new, inputs)  # before a file is written at all
    notes = _compile_alike(start, new)
    loaded = _saved(start, new, request)
    absolute, relative = _compare(built.model, loaded, inputs)
    return FixReply(
        changed=tuple(changes.values()),
        left=tuple(left.values()),
        absolute=absolute,
        relative=relative,
        notes=(*notes, *([_NARROWED] if start is not built else ())),
    )


def _saved(built: BuiltModel, new: Any, request: FixRequest) -> Any:
    """Save ``new`` and open what was written."""
    custom = custom_objects(request.check.custom_objects)
    try:
        new.save(request.output)
        return built.api.module.models.load_model(
            request.output, compile=False, custom_objects=custom
        )
    except Exception as error:
        raise CannotFixError(
            f"{built.api.package} {built.api.version} cannot save the rewritten model so that it "
            f"opens again: {first_line(error)}.",
            hint="Try the other ending, .keras or .h5.",
        ) from error


def _refuse(built: BuiltModel) -> None:
    foreign = [what.layer for what in built.replaced if what.layer is not None]
    if foreign:
        raise CannotFixError(
            f"{', '.join(foreign)}: not plain Keras, so the model cannot be saved again as it is.",
            hint="Name the module that defines it, --custom-objects package.module, or let Lambda "
            "layers run with --trust.",
        )
    root = next((w.message for w in built.replaced if w.code == "custom-layer"), None)
    if root is None and not is_functional(built.model, built.api):
        root = f"The model is of the class {type(built.model).__name__}."
    if root is not None:
        raise CannotFixError(
            f"{root.removesuffix('.')}: a copy would keep nothing but the layers.",
            hint="opcheck check says what to change in its code.",
        )


def _load_weights(built: BuiltModel, path: str) -> None:
    try:
        built.model.load_weights(path)
    except Exception as error:
        raise BuildError(
            f"{path}: its weights could not be loaded with {built.api.package} "
            f"{built.api.version}: {first_line(error)}.",
            hint="Run opcheck fix with the Keras that wrote the file.",
        ) from error


def _narrow(
    built: BuiltModel, request: FixRequest, changes: dict[str, RewrittenLayer]
) -> BuiltModel:
    """The model in float32, with its weights, where it computes in float64 and the target does not;
    else as it is."""
    source = request.check.source
    narrow = narrowed(source.architecture or "{}", targets.resolve(request.target))
    if narrow is None:
        return built
    # By the Keras that opened it as it was.
    source = structs.replace(source, architecture=narrow, keras_package=built.api.package)
    found = build(structs.replace(request.check, source=source))
    found.model.set_weights(built.model.get_weights())
    changes[""] = RewrittenLayer("", type(built.model).__name__, NAME)
    return found


def _replacing(
    built: BuiltModel,
    request: FixRequest,
    changes: dict[str, RewrittenLayer],
    left: dict[str, LeftLayer],
) -> Callable[[Call], Any]:
    target = targets.resolve(request.target)
    major = built.api.major
    chained: list[str] = []

    def by_another(layer: Any, x: Any) -> Any:
        other = rewrite_for(type(layer).__name__, layer.get_config(), major, target)
        if other is None:
            return layer(x)
        chained.append(other.name)
        return other.replace(layer, keras, (x,), {})

    keras = toolkit(built.api, by_another)
    masks = any(
        getattr(layer, "mask_zero", False) or type(layer).__name__ == "Masking"
        for _, layer in walk(built.model, built.api)
    )

    def replace(call: Call) -> Any:
        layer, name = call.layer, type(call.layer).__name__
        if not hasattr(layer, "get_weights"):
            return None  # an operation of Keras 3, which is no layer
        rewrite = rewrite_for(name, layer.get_config(), major, target)
        if rewrite is None or not any(
            op in rewrite.cures and f"{path}/".startswith(f"{call.path}/")
            for path, op in request.trouble
        ):
            return None
        chained.clear()
        try:
            if call.shared:
                raise CannotRewriteError("it is called more than once")
            if any(getattr(x, "activity_regularizer", None) for x in layer._flatten_layers()):
                raise CannotRewriteError("its activity_regularizer would see another output")
            if masks and not rewrite.masked:
                raise CannotRewriteError("the model uses masks, which would get lost")
            output = rewrite.replace(layer, keras, call.args, call.kwargs)
        except CannotRewriteError as error:
            left[call.path] = LeftLayer(call.path, name, str(error), rewrite.advice)
            return None
        changes[call.path] = RewrittenLayer(call.path, name, " + ".join([rewrite.name, *chained]))
        return output

    return replace


def _compare(old: Any, new: Any, inputs: list[Any]) -> tuple[float, float]:
    """The largest absolute difference of the outputs, and relative to the largest number in the
    output it is in.

    Raises:
        CannotFixError: it is too large, or they would be trained otherwise.
    """
    absolute = relative = 0.0
    for each in inputs:
        pairs = zip(*(tf.nest.flatten(m(each, training=False)) for m in (old, new)), strict=True)
        for before, after in pairs:
            apart, scale = _apart(before, after)
            absolute = max(absolute, apart)
            relative = max(relative, apart / scale if scale else 0.0)
            if not apart <= ABSOLUTE + RELATIVE * scale:
                raise CannotFixError(
                    f"The rewritten model gives other numbers: apart by {apart:.3g}, where the "
                    f"largest is {scale:.3g}.",
                    hint=_UNPROVEN,
                )
    _compare_training(old, new)
    return absolute, relative


def _compare_training(old: Any, new: Any) -> None:
    """As outputs do not tell: no weights are lost, frozen, thawed, or apart that were one, and
    regularizers ask the same for them (and what ``_compare`` made of the inputs)."""
    for which in ("weights", "trainable_weights"):
        before, after = (sum(prod(w.shape) for w in getattr(m, which)) for m in (old, new))
        if before != after:
            raise CannotFixError(
                f"The rewritten model has {after} numbers in its {which}, not {before}.",
                hint=_UNPROVEN,
            )
    before, after = (float(sum(model.losses)) for model in (old, new))
    if not abs(before - after) <= RELATIVE * abs(before):
        raise CannotFixError(
            f"The rewritten model's regularizers add {after:.6g} to the loss, not {before:.6g}.",
            hint=_UNPROVEN,
        )


def _apart(before: Any, after: Any) -> tuple[float, float]:
    """The largest difference, and the largest number in ``before``."""
    one, other = (np.asarray(tensor, dtype="float64") for tensor in (before, after))
    if one.shape != other.shape:
        raise CannotFixError(f"The rewritten model's output is {other.shape}, not {one.shape}.")
    if not np.isfinite(one).all():
        raise CannotFixError("The model gives NaN or infinity on random input: nothing to compare.")
    return float(np.abs(one - other).max(initial=0.0)), float(np.abs(one).max(initial=0.0))


def _inputs(built: BuiltModel, batch: int) -> list[Any]:
    """Random inputs of which the model can make something: indices for an Embedding."""
    structure = structure_of(built.model, "inputs")
    rows = _rows(built)
    random = np.random.default_rng(0)

    def filled_with(tensor: Any) -> Any:
        spec = spec_of(tensor)
        shape = filled(spec.shape, batch)
        if id(tensor) in rows:
            return tf.cast(random.integers(0, rows[id(tensor)], shape), spec.dtype)
        if spec.dtype.is_floating:
            return tf.cast(random.normal(size=shape), spec.dtype)
        return plain(tensor)

    def plain(tensor: Any) -> Any:
        spec = spec_of(tensor)
        return example(filled(spec.shape, batch), spec.dtype)

    found = [tf.nest.map_structure(filled_with, structure) for _ in range(2)]
    try:
        built.model(found[0], training=False)
    except Exception:  # indices that only a layer further down knows of
        found = [tf.nest.map_structure(plain, structure)]
    return found


def _rows(built: BuiltModel) -> dict[int, int]:
    """The inputs (by id) that are indices into an Embedding, and its number of rows."""
    return {
        id(tensor): layer.input_dim
        for node in nodes(built.model)
        if type(layer := getattr(node, "operation", None) or node.layer).__name__ == "Embedding"
        for tensor in tf.nest.flatten(node.input_tensors)
    }


def _compile_alike(built: BuiltModel, new: Any) -> tuple[str, ...]:
    """Give ``new`` the loss and the optimizer that the file stores, without XLA; says what of it
    is lost."""
    stored = built.compile_config
    if stored is None:
        return ()
    try:
        asked = {"jit_compile": False} if "jit_compile" in stored else {}
        compile_as_stored(new, built.api, {**stored, **asked})
    except Exception as error:
        return (f"The loss and the optimizer could not be kept: {first_line(error)}",)
    return ("The optimizer's state is not kept: training goes on with a fresh one.",)
