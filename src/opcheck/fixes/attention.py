"""Attention and EinsumDense by MatMul in place of Einsum."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

from opcheck.fixes.rewrite import CannotRewriteError, Rewrite, Toolkit, only_tensor, trained_alike


class AttentionByMatMul(Rewrite):
    """``MultiHeadAttention`` without the Einsum op.

    Keras 3 turns the einsums of this layer into MatMul itself, but for its fused attention, which
    it takes only where nobody asks for the scores. In Keras 2 the layer is taken apart into Dense
    layers and ``tf.matmul``.
    """

    name = "attention-by-matmul"
    classes = frozenset({"MultiHeadAttention"})
    cures = ("Einsum",)
    needs = ("BatchMatMulV2", "MatMul", "Transpose", "Softmax")
    advice = (
        "Keras 3: call MultiHeadAttention with return_attention_scores=True and take the first "
        "output; it then computes with MatMul, which runs there. Keras 2: write the projections as "
        "Dense and Reshape, the products with tf.matmul."
    )

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:
        plain = not config.get("flash_attention") and config.get("attention_axes") in (
            None,
            [1],
            (1,),
        )
        return (
            class_name in self.classes
            and plain
            and (major >= 3 or config.get("output_shape") is None)
        )

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        if kwargs.get("return_attention_scores"):
            raise CannotRewriteError("it is asked for its scores")
        if keras.major >= 3:
            output, _ = layer(*args, **{**kwargs, "return_attention_scores": True})
            return output
        return _taken_apart(layer, keras, args, kwargs)


def _taken_apart(layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
    query, value, key = _tensors(args, kwargs)
    config, layers, ops = layer.get_config(), keras.layers, keras.ops
    heads, size = config["num_heads"], config["key_dim"]

    def projected(tensor: Any, old: Any, role: str) -> Any:
        weights = old.get_weights()
        width = weights[0].shape[-1]
        dense = layers.Dense(
            heads * width,
            use_bias=config["use_bias"],
            name=f"{layer.name}_{role}",
            dtype=config["dtype"],
            **{**trained_alike(old), "trainable": layer.trainable},
        )
        result = dense(tensor)
        dense.set_weights(
            [weights[0].reshape(-1, heads * width), *(w.reshape(-1) for w in weights[1:])]
        )
        split = layers.Reshape((-1, heads, width), name=f"{layer.name}_{role}_heads")(result)
        return layers.Permute((2, 1, 3), name=f"{layer.name}_{role}_first")(split)

    q = projected(query, layer._query_dense, "query")
    k = projected(key, layer._key_dense, "key")
    v = projected(value, layer._value_dense, "value")
    scores = ops.matmul(q * (1.0 / sqrt(size)), k, transpose_b=True)
    shares = layers.Softmax(axis=-1, name=f"{layer.name}_softmax", dtype=config["dtype"])(scores)
    if config["dropout"]:
        shares = layers.Dropout(config["dropout"], name=f"{layer.name}_dropout")(shares)
    mixed = layers.Permute((2, 1, 3), name=f"{layer.name}_mixed")(ops.matmul(shares, v))
    joined = layers.Reshape((-1, heads * v.shape[-1]), name=f"{layer.name}_joined")(mixed)
    weights = layer._output_dense.get_weights()
    output = layers.Dense(
        weights[0].shape[-1],
        use_bias=config["use_bias"],
        name=f"{layer.name}_output",
        dtype=config["dtype"],
        **{**trained_alike(layer._output_dense), "trainable": layer.trainable},
    )
    result = output(joined)
    output.set_weights([weights[0].reshape(-1, weights[0].shape[-1]), *weights[1:]])
    return result


def _tensors(args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """Query, value and key of the call, which may have nothing else."""
    names = ("query", "value", "key")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    rest = {k for k, v in given.items() if k not in (*names, "training") and v not in (None, False)}
    if rest or len(args) > len(names):
        raise CannotRewriteError(f"it is called with {', '.join(sorted(rest)) or 'a mask'}")
    tensors = given["query"], given["value"], given.get("key")
    query, value, key = tensors if tensors[2] is not None else (*tensors[:2], tensors[1])
    if len(query.shape) != 3 or len(value.shape) != 3:
        raise CannotRewriteError("its inputs have more than three dimensions")
    return query, value, key


class EinsumDenseByDense(Rewrite):
    """``EinsumDense`` that contracts the last dimensions, as ``Dense`` between two ``Reshape``."""

    name = "einsum-dense-by-dense"
    classes = frozenset({"EinsumDense"})
    cures = ("Einsum",)
    needs = ("MatMul", "Reshape")
    advice = (
        "EinsumDense computes with Einsum: where it contracts the last dimensions, Dense (with "
        "Reshape around it) gives the same numbers with MatMul, which runs there."
    )

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:  # noqa: ARG002
        return class_name in self.classes and _contraction(config) is not None

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        x = only_tensor(args, kwargs)
        config = layer.get_config()
        inner = _contraction(config)
        weights = layer.get_weights()
        if inner is None:
            raise CannotRewriteError("its equation does not contract the last dimensions")
        kept = tuple(x.shape)[1 : len(x.shape) - inner]
        if sum(size is None for size in kept) > 1:
            raise CannotRewriteError("two dimensions of its input are not known")
        lead = tuple(-1 if size is None else size for size in kept)
        outer = weights[0].shape[inner:]
        if inner > 1:
            x = keras.layers.Reshape((*lead, prod(weights[0].shape[:inner])))(x)
        dense = keras.layers.Dense(
            prod(outer),
            activation=config["activation"],
            use_bias=len(weights) > 1,
            name=layer.name,
            dtype=config["dtype"],
            **trained_alike(layer),
        )
        x = dense(x)
        dense.set_weights(
            [
                weights[0].reshape(prod(weights[0].shape[:inner]), prod(outer)),
                *(bias.reshape(-1) for bias in weights[1:]),
            ]
        )
        return x if len(outer) == 1 else keras.layers.Reshape((*lead, *outer))(x)


def _contraction(config: Mapping[str, Any]) -> int | None:
    """How many last dimensions are contracted; ``None`` where it is not of that kind."""
    left, arrow, result = str(config.get("equation", "")).partition("->")
    x, comma, kernel = left.partition(",")
    if not (arrow and comma) or "." in left or len(set(x)) != len(x):
        return None
    inner = next((n for n in range(1, len(x)) if x[-n:] == kernel[:n] and x[:-n]), None)
    if inner is None or result != x[:-inner] + kernel[inner:] or not kernel[inner:]:
        return None
    bias = config.get("bias_axes")
    return inner if bias is None or sorted(bias) == sorted(kernel[inner:]) else None
