"""Convolutions and poolings that accelerators lack, by the two-dimensional ones they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opcheck.fixes.rewrite import (
    CannotRewriteError,
    Rewrite,
    Toolkit,
    copied,
    only_tensor,
    static_shape,
    trained_alike,
)
from opcheck.targets import Target


def _last_is_channels(config: Mapping[str, Any]) -> bool:
    return config.get("data_format") in (None, "channels_last")


class UngroupedConvolution(Rewrite):
    """A grouped convolution as one convolution a group.

    Keras calls a function with ``jit_compile=True`` for groups (keras/layers/convolutional, Keras
    2; keras/src/backend/tensorflow/nn.py, Keras 3).
    """

    name = "grouped-convolution-apart"
    classes = frozenset({"Conv1D", "Conv2D"})
    cures = ("PartitionedCall", "StatefulPartitionedCall")
    general = False
    needs = ("Conv2D", "StridedSlice", "ConcatV2")
    advice = (
        "Keras compiles grouped convolutions with XLA: use one convolution a group on slices of "
        "the channels and concatenate, or groups=1."
    )

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:  # noqa: ARG002
        grouped = class_name in self.classes and (config.get("groups") or 1) > 1
        return grouped and _last_is_channels(config)

    def helps(self, target: Target) -> bool:
        """Wherever it can be: no plugin's platform has an XLA compiler."""
        return all(target.registry.has_op(op, target.device_type) for op in self.needs)

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        x = only_tensor(args, kwargs)
        config = layer.get_config()
        groups = config["groups"]
        wide, filters = int(x.shape[-1]) // groups, config["filters"] // groups
        alike = trained_alike(layer)
        parts = []
        for n in range(groups):
            name = f"{layer.name}_group{n}"
            part = copied(layer, groups=1, filters=filters, name=name, **alike)
            parts.append(part(_channels(x, n * wide, (n + 1) * wide)))
            part.set_weights([w[..., n * filters : (n + 1) * filters] for w in layer.get_weights()])
        return keras.layers.Concatenate(axis=-1, name=layer.name)(parts)


def _channels(x: Any, start: int, stop: int) -> Any:
    everything = slice(None)
    return x[(everything,) * (len(x.shape) - 1) + (slice(start, stop),)]


class Pooling3DBy2D(Rewrite):
    """A pooling over depth, height and width as one over height and width, then one over depth."""

    name = "pooling-3d-by-2d"
    classes = frozenset({"AveragePooling3D", "MaxPooling3D"})
    cures = ("MaxPool3D", "AvgPool3D")
    needs = ("MaxPool", "AvgPool", "Reshape")
    advice = (
        "Pool in two steps, with 2-D poolings that run there: over height and width with the depth "
        "reshaped into the batch, then over depth."
    )

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:  # noqa: ARG002
        return class_name in self.classes and _last_is_channels(config)

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        x = only_tensor(args, kwargs)
        config, ops = layer.get_config(), keras.ops
        depth, height, width, channels = static_shape(x)
        kind = getattr(keras.layers, type(layer).__name__.replace("3D", "2D"))
        pool, strides = config["pool_size"], config["strides"] or config["pool_size"]
        common = {"padding": config["padding"], "dtype": config["dtype"]}
        flat = ops.reshape(x, (-1, height, width, channels))
        flat = kind(pool[1:], strides[1:], name=f"{layer.name}_plane", **common)(flat)
        rows, columns = flat.shape[1:3]
        deep = ops.reshape(flat, (-1, depth, rows * columns, channels))
        deep = kind((pool[0], 1), (strides[0], 1), name=f"{layer.name}_depth", **common)(deep)
        return ops.reshape(deep, (-1, deep.shape[1], rows, columns, channels))


class Conv3DBy2D(Rewrite):
    """A 3-D convolution as a 2-D one over the slices of its depth, side by side as channels."""

    name = "conv-3d-by-2d"
    classes = frozenset({"Conv3D"})
    cures = ("Conv3D",)
    needs = ("Conv2D", "StridedSlice", "ConcatV2", "Reshape", "Pad")
    advice = (
        "Conv3D can be a Conv2D: put the slices that the kernel covers in depth side by side as "
        "channels, and the depth into the batch. `opcheck fix` does it."
    )

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:  # noqa: ARG002
        return (
            class_name in self.classes
            and _last_is_channels(config)
            and (config.get("groups") or 1) == 1
            and set(_three(config.get("dilation_rate") or 1)) == {1}
        )

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        x = only_tensor(args, kwargs)
        config, ops = layer.get_config(), keras.ops
        depth, height, width, channels = static_shape(x)
        kernel, strides = _three(config["kernel_size"]), _three(config["strides"])
        if config["padding"] == "same":
            deep = -(-depth // strides[0])
            missing = max((deep - 1) * strides[0] + kernel[0] - depth, 0)
            before = missing // 2
            padding = keras.layers.ZeroPadding3D(
                ((before, missing - before), (0, 0), (0, 0)), name=f"{layer.name}_padded"
            )
            x = padding(x)
        elif config["padding"] == "valid":
            deep = (depth - kernel[0]) // strides[0] + 1
        else:
            raise CannotRewriteError(f"its padding is {config['padding']}")
        span = (deep - 1) * strides[0] + 1
        taps = [x[:, n : n + span : strides[0]] for n in range(kernel[0])]
        beside = keras.layers.Concatenate(axis=-1, name=f"{layer.name}_taps")(taps)
        flat = ops.reshape(beside, (-1, height, width, kernel[0] * channels))
        plane = keras.layers.Conv2D(
            config["filters"],
            kernel[1:],
            strides=strides[1:],
            padding=config["padding"],
            activation=config["activation"],
            use_bias=config["use_bias"],
            name=layer.name,
            dtype=config["dtype"],
            **trained_alike(layer),
        )
        flat = plane(flat)
        weights = layer.get_weights()
        moved = weights[0].transpose(1, 2, 0, 3, 4)
        plane.set_weights([moved.reshape(*moved.shape[:2], -1, moved.shape[-1]), *weights[1:]])
        return ops.reshape(flat, (-1, deep, *flat.shape[1:]))


def _three(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) * 3 if isinstance(value, int) else tuple(value)


class NearestResize(Rewrite):
    """Enlarging by whole factors with ``interpolation="nearest"``, as ``UpSampling2D``.

    Keras writes the latter by repeating rows and columns (Keras 3) or with the same op (Keras 2).
    """

    name = "nearest-resize-by-repetition"
    classes = frozenset({"Resizing"})
    cures = ("ResizeNearestNeighbor",)
    needs = ("ConcatV2",)
    advice = (
        "Where the size grows by whole factors, UpSampling2D (Keras 3) gives what Resizing with "
        'interpolation="nearest" gives, by ops that run there; else interpolation="bilinear" for '
        "inference, if the model allows it."
    )

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:
        odd = ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias")
        return (
            major >= 3
            and class_name in self.classes
            and config.get("interpolation") == "nearest"
            and not any(config.get(key) for key in odd)
            and _last_is_channels(config)
        )

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:
        x = only_tensor(args, kwargs)
        config = layer.get_config()
        height, width, _ = static_shape(x)
        if config["height"] % height or config["width"] % width:
            raise CannotRewriteError("it does not enlarge by whole factors")
        size = config["height"] // height, config["width"] // width
        return keras.layers.UpSampling2D(size, name=layer.name, dtype=config["dtype"])(x)


class DistributedDense(Rewrite):
    """``TimeDistributed(Dense)`` as ``Dense``, which works on the last dimension anyway."""

    name = "time-distributed-dense"
    classes = frozenset({"TimeDistributed"})
    cures = ("Pack", "Unpack")
    general = False
    needs = ("MatMul",)
    advice = (
        "Dense works on the last dimension by itself: without TimeDistributed around it nothing "
        "is taken apart and packed again."
    )
    masked = True

    def applies(self, class_name: str, config: Mapping[str, Any], major: int) -> bool:
        inner = config.get("layer") or {}
        return major >= 3 and class_name in self.classes and inner.get("class_name") == "Dense"

    def helps(self, target: Target) -> bool:
        """Where Unpack of floats, or Pack on the device, is missing: all of Metal."""
        kernels = target.registry.kernels("Unpack", target.device_type)
        floats = any("float32" in dict(k.constraints).get("T", ()) for k in kernels)
        return not floats and target.registry.has_op("MatMul", target.device_type)

    def replace(self, layer: Any, keras: Toolkit, args: Any, kwargs: Any) -> Any:  # noqa: ARG002
        x = only_tensor(args, kwargs)
        dense = copied(layer.layer, name=layer.name)
        output = dense(x)
        dense.set_weights(layer.get_weights())
        return output
