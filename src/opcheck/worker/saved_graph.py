"""Steps of a model that comes as a graph: a SavedModel without Keras config, a frozen GraphDef."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from opcheck.errors import BuildError, OpcheckError, RefusedModelError, UsageError
from opcheck.worker.messages import first_line
from opcheck.worker.protocol import Step, WorkerRequest
from opcheck.worker.steps import StepFunction

_LEARNING_RATE = 0.01


def graph_steps(request: WorkerRequest) -> dict[Step, StepFunction]:
    """The steps that the graph offers: training only where there are variables.

    Raises:
        RefusedModelError: loading it would run ops that touch files, and nobody asked for that.
        BuildError: TensorFlow cannot load it.
        UsageError: it has no such signature as the request names.
    """
    source = request.source
    files = [hazard.message for hazard in source.hazards if hazard.code == "file-op"]
    if files and not request.trust:
        raise RefusedModelError(
            f"{source.path} holds ops that touch files or run Python: {files[0]}",
            hint="Look at `opcheck inspect`; --trust loads and runs it all the same.",
        )
    try:
        if source.format == "frozen-graph":
            return _frozen(source.path)
        return _saved_model(source.path, request.signature)
    except OpcheckError:
        raise
    except Exception as error:
        raise BuildError(
            f"TensorFlow could not load {source.path}: {first_line(error)}."
        ) from error


def _frozen(path: str) -> dict[Step, StepFunction]:
    """A GraphDef's placeholders in, the outputs that nothing consumes out."""
    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString(Path(path).read_bytes())
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph_def, name=""), [])
    operations = wrapped.graph.get_operations()
    inputs = [op.outputs[0] for op in operations if op.type == "Placeholder"]
    outputs = [
        tensor
        for op in operations
        if op.type != "Placeholder"
        for tensor in op.outputs
        if not tensor.consumers()
    ]
    if not inputs or not outputs:
        raise BuildError(
            f"{path} has no {'outputs' if inputs else 'inputs'}: it is no frozen model.",
            hint="Freeze the inference graph, with its Placeholder inputs.",
        )
    pruned = wrapped.prune(inputs, outputs)
    return {"inference": _given(pruned, [_spec(tensor) for tensor in inputs])}


def _saved_model(path: str, wanted: str | None) -> dict[Step, StepFunction]:
    loaded = tf.saved_model.load(path)
    signatures = dict(loaded.signatures)
    name = _chosen(path, list(signatures), wanted)
    signature = signatures[name]
    specs = list(signature.structured_input_signature[1].values())
    notes = _only(name, signatures)
    inference = replace(_given(signature, specs), notes=notes, owner=loaded)
    steps: dict[Step, StepFunction] = {"inference": inference}
    own = list(signature.trainable_variables)
    # The object can be called as a whole, which is what it serves.
    whole = loaded if wanted is None and callable(loaded) else None
    variables = (wanted is None and list(getattr(loaded, "trainable_variables", ()))) or own
    if variables:
        training = _training(whole, signature, specs, variables)
        steps["training"] = replace(training, owner=loaded)
    return steps


def _chosen(path: str, names: Sequence[str], wanted: str | None) -> str:
    if not names:
        raise BuildError(
            f"{path} has no signature to call.",
            hint="Save it with signatures=..., or model.export() it.",
        )
    if wanted is not None and wanted not in names:
        raise UsageError(
            f"--signature {wanted}: {path} has no such signature.",
            hint=f"It has {', '.join(sorted(names))}.",
        )
    served = (name for name in ("serving_default", "serve") if name in names)
    return wanted or next(served, names[0])


def _only(name: str, signatures: Iterable[str]) -> tuple[str, ...]:
    """Which of several signatures this is about. Keras exports one call under two names."""
    served = {"serve", "serving_default"}
    others = sorted(set(signatures) - {name} - (served if name in served else set()))
    if not others:
        return ()
    return (
        f"Of its signatures this is {name}; not checked: {', '.join(others)} (--signature NAME).",
    )


def _given(concrete: Any, specs: list[tf.TensorSpec]) -> StepFunction:
    """A concrete function as it is: traced long ago, only read now.

    (AutoGraph converts these functions, and its ``zip`` knows no ``strict`` in TensorFlow 2.10.)
    """
    names = [spec.name for spec in specs]

    def make() -> Callable[..., Any]:
        def inference(*tensors: Any) -> Any:
            with contextlib.suppress(TypeError):
                return concrete(**dict(zip(names, tensors)))  # noqa: B905
            return concrete(*tensors)

        return inference

    return StepFunction(
        "inference",
        make,
        tuple(specs),
        contextlib.nullcontext,
        (False,) * len(specs),
        tuple(names),
    )


def _training(
    whole: Any, signature: Any, specs: list[tf.TensorSpec], variables: list[Any]
) -> StepFunction:
    """Mean squared error against zeros and plain gradient descent: the file stores neither.

    ``whole`` is what to call with ``training=True``, if that can be."""
    names = [spec.name for spec in specs]

    def forward(tensors: tuple[Any, ...]) -> Any:
        if whole is not None and len(tensors) == 1:
            with contextlib.suppress(TypeError, ValueError):  # no such call was saved
                return tf.nest.flatten(whole(tensors[0], training=True))
        return tf.nest.flatten(signature(**dict(zip(names, tensors))))  # noqa: B905

    def make() -> Callable[..., Any]:
        def train(*tensors: Any) -> Any:
            with tf.GradientTape() as tape:
                outputs = [out for out in forward(tensors) if out.dtype.is_floating]
                loss = tf.add_n([tf.reduce_mean(tf.square(out)) for out in outputs])
            gradients = tape.gradient(loss, variables)
            for variable, gradient in zip(variables, gradients):  # noqa: B905
                if gradient is not None:
                    tf.raw_ops.ResourceApplyGradientDescent(
                        var=variable.handle,
                        alpha=tf.constant(_LEARNING_RATE, variable.dtype),
                        delta=tf.convert_to_tensor(gradient),
                    )
            return loss

        return train

    return StepFunction(
        "training",
        make,
        tuple(specs),
        contextlib.nullcontext,
        (False,) * len(specs),
        tuple(names),
        loss="mean_squared_error",
        optimizer="gradient_descent",
        defaults=("loss", "optimizer"),
    )


def _spec(tensor: Any) -> tf.TensorSpec:
    return tf.TensorSpec(tensor.shape, tensor.dtype, tensor.op.name)
