"""Small inputs that each op's shape function and kernel accept: data for test_kernel_table.py.

A row is for every op that its key names. A tuple is a shape, filled with numbers of the input's
dtype; any other value is the tensor itself. For a resource or a ref it is what the variable holds.
Attributes are given by name beside the inputs. A row may name what only some of its ops have. An
op without a row gets a (2, 3) tensor for every input.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Row = dict[str, Any]


class Many(tuple[Any, ...]):
    """The tensors of an input that is a list."""


class Variable(NamedTuple):
    """What a resource holds where no attribute of the op tells its dtype."""

    dtype: str
    value: Any


class Made(NamedTuple):
    """An input that another op makes on the same device; one object is made once."""

    op: str
    output: int
    row: Row


_SCALARS: Row = dict.fromkeys(
    [
        "lr",
        "rho",
        "epsilon",
        "beta1",
        "beta2",
        "beta1_power",
        "beta2_power",
        "momentum",
        "alpha",
        "beta",
        "sign_decay",
        "logbase",
    ],
    0.5,
)
_IMAGE, _VOLUME = (2, 4, 4, 3), (1, 4, 4, 4, 2)
_POOL: Row = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
_POOL3D: Row = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 2, 2, 2, 1], "padding": "VALID"}
_CONV: Row = {"strides": [1, 1, 1, 1], "padding": "SAME"}
_CONV3D: Row = {"strides": [1, 1, 1, 1, 1], "padding": "SAME"}
_NORM: Row = {
    "x": _IMAGE,
    "scale": (3,),
    "offset": (3,),
    "mean": (0,),
    "variance": (0,),
    "y_backprop": _IMAGE,
    "reserve_space_1": (3,),
    "reserve_space_2": (3,),
    "reserve_space_3": (3,),
}
_SLICE: Row = {"begin": [0, 0], "end": [2, 2], "strides": [1, 1]}
_SCATTER: Row = {"indices": [[0], [2]], "updates": (2, 3)}
# Three steps, two sequences, four features, five units; parameters of four gates.
_CUDNN: Row = {
    "input": (3, 2, 4),
    "input_h": (1, 2, 5),
    "input_c": (1, 2, 5),
    "params": (220,),
    "sequence_lengths": [3, 2],
    "output": (3, 2, 5),
    "output_h": (1, 2, 5),
    "output_c": (1, 2, 5),
    "output_backprop": (3, 2, 5),
    "output_h_backprop": (1, 2, 5),
    "output_c_backprop": (1, 2, 5),
    "reserve_space": (1,),
    "host_reserved": (1,),
}
_CUDNN_PARAMS: Row = {
    "num_layers": 1,
    "num_units": 5,
    "input_size": 4,
    "params": (220,),
    "weights": Many([(5, 4)] * 4 + [(5, 5)] * 4),
    "biases": Many([(5,)] * 8),
    "num_params": 8,
    "num_params_weights": 8,
    "num_params_biases": 8,
}
# Two sequences, three features, four units.
_CELL: Row = {
    "x": (2, 3),
    "cs_prev": (2, 4),
    "h_prev": (2, 4),
    "w": (7, 16),
    **dict.fromkeys(("wci", "wcf", "wco"), (4,)),
    "b": (16,),
    **dict.fromkeys(
        ["i", "cs", "f", "o", "ci", "co", "h", "cs_grad", "h_grad", "r", "u", "c", "d_h"], (2, 4)
    ),
    "w_ru": (7, 8),
    "w_c": (7, 4),
    "b_ru": (8,),
    "b_c": (4,),
    "use_peephole": False,
}
_BLOCK: Row = {
    **_CELL,
    "seq_len_max": 2,
    "x": (2, 2, 3),
    **dict.fromkeys(["i", "cs", "f", "o", "ci", "co", "h", "cs_grad", "h_grad"], (2, 2, 4)),
}


def _array(version: str) -> Row:
    """A TensorArray without elements: no accelerator has a kernel that could write one."""
    row = {"size": 0, "dtype": "float32"}
    handle = Made(f"TensorArray{version}", 0, row)
    return {
        "handle": handle,
        "flow_in": 0.0,
        "element_shape_except0": [3],
        "source": "gradients",
        "shape_to_prepend": [2],
    }


_ROWS: dict[str, Row] = {
    "AddN Pack": {"inputs": Many([(2, 3)] * 2), "values": Many([(2, 3)] * 2)},
    "AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation": {
        "images": _IMAGE,
        "contrast_factor": 0.5,
        "min_value": 0.0,
        "max_value": 1.0,
        "delta": 0.1,
        "scale": 0.5,
    },
    "ApplyAdaMax ApplyAdadelta ApplyAdagrad ApplyAdagradV2 ApplyAdam ApplyAddSign "
    "ApplyCenteredRMSProp ApplyMomentum ApplyPowerSign ApplyRMSProp ResourceApplyAdaMax "
    "ResourceApplyAdadelta ResourceApplyAdagrad ResourceApplyAdagradV2 ResourceApplyAdam "
    "ResourceApplyAdamWithAmsgrad ResourceApplyAddSign ResourceApplyCenteredRMSProp "
    "ResourceApplyKerasMomentum ResourceApplyMomentum ResourceApplyPowerSign "
    "ResourceApplyRMSProp ApplyGradientDescent ResourceApplyGradientDescent": _SCALARS,
    "ArgMax ArgMin": {"dimension": 1},
    "AvgPool AvgPoolGrad MaxPool MaxPoolGrad MaxPoolGradV2 MaxPoolV2": {
        **_POOL,
        "value": _IMAGE,
        "input": _IMAGE,
        "orig_input": _IMAGE,
        "orig_input_shape": list(_IMAGE),
        "orig_output": (2, 2, 2, 3),
        "grad": (2, 2, 2, 3),
    },
    "AvgPool3D AvgPool3DGrad MaxPool3D MaxPool3DGrad": {
        **_POOL3D,
        "input": _VOLUME,
        "orig_input": _VOLUME,
        "orig_input_shape": list(_VOLUME),
        "orig_output": (1, 2, 2, 2, 2),
        "grad": (1, 2, 2, 2, 2),
    },
    "BatchMatMul BatchMatMulV2": {"x": (2, 3, 4), "y": (2, 4, 5)},
    "BatchMatrixBandPart MatrixBandPart": {"input": (3, 3), "num_lower": 1, "num_upper": 1},
    "BatchMatrixDiagPart DiagPart MatrixDiagPart": {"input": (3, 3)},
    "BatchMatrixSetDiag MatrixSetDiag MatrixSetDiagV2": {
        "input": (3, 3),
        "diagonal": (3,),
        "k": 0,
    },
    "BatchNormWithGlobalNormalization BatchNormWithGlobalNormalizationGrad": {
        **dict.fromkeys(("t", "backprop"), _IMAGE),
        **dict.fromkeys(("m", "v", "beta", "gamma"), (3,)),
        "variance_epsilon": 0.1,
        "scale_after_normalization": True,
    },
    "BatchToSpace BatchToSpaceND": {
        "input": (4, 2, 2, 1),
        "crops": [[0, 0], [0, 0]],
        "block_size": 2,
        "block_shape": [2, 2],
    },
    "BiasAdd BiasAddV1": {"bias": (3,)},
    "Bitcast": {"T": "float32", "type": "int32"},
    "BlockLSTM BlockLSTMGrad BlockLSTMGradV2 BlockLSTMV2": _BLOCK,
    "BroadcastTo": {"input": (1, 3), "shape": [2, 3]},
    "CheckNumerics": {"message": "not finite"},
    "ClipByValue": {"clip_value_min": 1, "clip_value_max": 2},
    "Concat ConcatV2": {"concat_dim": 0, "values": Many([(2, 3)] * 2), "axis": 0},
    "Conv2D": {**_CONV, "input": (2, 8, 8, 3), "filter": (3, 3, 3, 4)},
    "Conv2DBackpropFilter Conv2DBackpropInput": {
        **_CONV,
        "input": (2, 8, 8, 3),
        "input_sizes": [2, 8, 8, 3],
        "filter": (3, 3, 3, 4),
        "filter_sizes": [3, 3, 3, 4],
        "out_backprop": (2, 8, 8, 4),
    },
    "Conv3D Conv3DBackpropFilter Conv3DBackpropFilterV2 Conv3DBackpropInput "
    "Conv3DBackpropInputV2": {
        **_CONV3D,
        "input": _VOLUME,
        "input_sizes": list(_VOLUME),
        "filter": (2, 2, 2, 2, 3),
        "filter_sizes": [2, 2, 2, 2, 3],
        "out_backprop": (1, 4, 4, 4, 3),
    },
    "CropAndResize CropAndResizeGradBoxes CropAndResizeGradImage": {
        "image": (1, 4, 4, 3),
        "boxes": [[0.0, 0.0, 1.0, 1.0]],
        "box_ind": [0],
        "crop_size": [2, 2],
        "grads": (1, 2, 2, 3),
        "image_size": [1, 4, 4, 3],
    },
    "CudnnRNN CudnnRNNBackprop CudnnRNNBackpropV2 CudnnRNNBackpropV3 CudnnRNNV2 CudnnRNNV3": _CUDNN,
    "CudnnRNNCanonicalToParams CudnnRNNCanonicalToParamsV2 CudnnRNNParamsToCanonical "
    "CudnnRNNParamsToCanonicalV2": _CUDNN_PARAMS,
    "Cumprod Cumsum": {"axis": 0},
    "DataFormatDimMap": {"x": [0, 1]},
    "DataFormatVecPermute": {"x": (4,)},
    "DepthToSpace": {"input": (1, 2, 2, 4), "block_size": 2},
    "DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter "
    "DepthwiseConv2dNativeBackpropInput": {
        **_CONV,
        "input": (2, 8, 8, 3),
        "input_sizes": [2, 8, 8, 3],
        "filter": (3, 3, 3, 2),
        "filter_sizes": [3, 3, 3, 2],
        "out_backprop": (2, 8, 8, 6),
    },
    "DynamicStitch ParallelDynamicStitch": {
        "indices": Many([[0, 2], [1, 3]]),
        "data": Many([(2, 3)] * 2),
    },
    "Empty": {"shape": [2, 3], "init": True},
    "ExtractImagePatches": {
        "images": (1, 4, 4, 1),
        "ksizes": [1, 2, 2, 1],
        "rates": [1, 1, 1, 1],
        **_CONV,
    },
    "ExtractVolumePatches": {"input": (1, 4, 4, 4, 1), "ksizes": [1, 2, 2, 2, 1], **_CONV3D},
    "Fill": {"dims": [2, 3], "value": 1},
    "FusedBatchNorm FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 "
    "FusedBatchNormV2 FusedBatchNormV3": _NORM,
    "GRUBlockCell GRUBlockCellGrad LSTMBlockCell LSTMBlockCellGrad": _CELL,
    "Gather GatherV2 ResourceGather": {
        "params": (4, 3),
        "resource": (4, 3),
        "indices": [0, 2],
        "axis": 0,
    },
    "GatherNd ResourceGatherNd": {"params": (4, 3), "resource": (4, 3), "indices": [[0], [2]]},
    "InTopK InTopKV2": {"predictions": (2, 5), "targets": [1, 2], "k": 2},
    "InplaceAdd InplaceSub InplaceUpdate": {"x": (4, 3), "i": [0, 2], "v": (2, 3)},
    "LRN LRNGrad": dict.fromkeys(
        ("input", "input_grads", "input_image", "output_image"), (1, 2, 2, 4)
    ),
    "MatMul": {"a": (2, 3), "b": (3, 4)},
    "MatrixDiagPartV2 MatrixDiagPartV3": {"input": (3, 3), "k": 0, "padding_value": 0},
    "MatrixDiagV2 MatrixDiagV3": {
        "diagonal": (3,),
        "k": 0,
        "num_rows": -1,
        "num_cols": -1,
        "padding_value": 0,
    },
    "Max Mean Min Prod Sum All Any EuclideanNorm": {"reduction_indices": [1]},
    "MirrorPad": {"input": (3, 4), "paddings": [[1, 1], [1, 1]], "mode": "REFLECT"},
    "MirrorPadGrad": {"input": (5, 6), "paddings": [[1, 1], [1, 1]], "mode": "REFLECT"},
    "OneHot": {"indices": [0, 2], "depth": 3, "on_value": 1, "off_value": 0},
    "Pad PadV2": {"paddings": [[1, 0], [0, 1]], "constant_values": 0},
    "ParallelConcat": {"values": Many([(1, 3)] * 2), "shape": [2, 3]},
    "RandomStandardNormal RandomUniform RandomUniformInt TruncatedNormal": {
        "shape": [2, 3],
        "minval": 0,
        "maxval": 5,
        "seed": 1,
        "seed2": 2,
    },
    "Range": {"start": 0, "limit": 3, "delta": 1},
    "ResizeBilinear ResizeBilinearGrad ResizeNearestNeighbor ResizeNearestNeighborGrad": {
        "images": (1, 4, 4, 3),
        "size": [2, 2],
        "grads": (1, 2, 2, 3),
        "original_image": (1, 4, 4, 3),
    },
    "ResourceScatterAdd ResourceScatterDiv ResourceScatterMax ResourceScatterMin "
    "ResourceScatterMul ResourceScatterSub ResourceScatterUpdate": {
        "resource": (4, 3),
        "indices": [0, 2],
        "updates": (2, 3),
    },
    "ResourceScatterNdAdd ResourceScatterNdMax ResourceScatterNdMin ResourceScatterNdSub "
    "ResourceScatterNdUpdate ScatterNdAdd ScatterNdMax ScatterNdMin ScatterNdSub "
    "ScatterNdUpdate": {"ref": (4, 3), **_SCATTER},
    "ResourceSparseApplyAdagrad ResourceSparseApplyAdagradV2 SparseApplyAdagrad "
    "SparseApplyAdagradV2": {
        **_SCALARS,
        "var": (4, 3),
        "accum": (4, 3),
        "grad": (2, 3),
        "indices": [0, 2],
    },
    "ResourceStridedSliceAssign StridedSliceAssign": {**_SLICE, "ref": (4, 3), "value": (2, 2)},
    "Reverse ReverseV2": {"dims": [True, False], "axis": [0]},
    "ReverseSequence": {"seq_lengths": [2, 3], "seq_dim": 1},
    "RngReadAndSkip": {"resource": Variable("int64", [1, 2, 3]), "alg": 1, "delta": 2},
    "RngSkip": {"resource": Variable("int64", [1, 2, 3]), "algorithm": 1, "delta": 2},
    "Roll": {"shift": [1], "axis": [0]},
    "ScatterNd ScatterNdNonAliasingAdd": {"shape": [4, 3], "input": (4, 3), **_SCATTER},
    "Slice": {"begin": [0, 0], "size": [2, 2]},
    "SpaceToBatch SpaceToBatchND": {
        "input": (1, 4, 4, 1),
        "paddings": [[0, 0], [0, 0]],
        "block_size": 2,
        "block_shape": [2, 2],
    },
    "SpaceToDepth": {"input": (1, 4, 4, 1), "block_size": 2},
    "SparseSoftmaxCrossEntropyWithLogits": {"labels": [0, 1]},
    "Split SplitV": {
        "value": (4, 3),
        "split_dim": 0,
        "num_split": 2,
        "size_splits": [1, 3],
    },
    "StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal "
    "StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformFullInt "
    "StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2 "
    "StatelessRandomUniformV2 StatelessTruncatedNormal StatelessTruncatedNormalV2": {
        "shape": [2, 3],
        "seed": [1, 2],
        "key": [1],
        "counter": [1, 2],
        "alg": 1,
        "minval": 0,
        "maxval": 5,
    },
    "StridedSlice TensorStridedSliceUpdate": {**_SLICE, "input": (4, 3), "value": (2, 2)},
    "StridedSliceGrad": {**_SLICE, "shape": [4, 3], "dy": (2, 2)},
    "TensorArray TensorArrayV2 TensorArrayV3": {"size": 2},
    "TensorArrayConcat TensorArrayGrad": _array(""),
    "TensorArrayConcatV2 TensorArrayGradV2": _array("V2"),
    "TensorArrayConcatV3 TensorArrayGradV3 TensorArrayGradWithShape": _array("V3"),
    "TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate": {
        "tensor": (4, 3),
        **_SCATTER,
    },
    "Tile": {"multiples": [2, 1]},
    "TopK TopKV2": {"input": (2, 5), "k": 2},
    "Transpose": {"perm": [1, 0]},
    "Unpack": {"num": 2},
    "UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum": {
        "data": (3, 2),
        "segment_ids": [0, 1, 0],
        "num_segments": 2,
    },
    "_FusedBatchNormEx": {
        **_NORM,
        **{name: (4,) for name, given in _NORM.items() if len(given) == 1},
        "x": (2, 4, 4, 4),
        "side_input": Many(),
        "activation_mode": "Relu",
        "is_training": False,
    },
    "_FusedConv2D": {
        **_CONV,
        "input": (2, 8, 8, 3),
        "filter": (3, 3, 3, 4),
        "args": Many([(4,)]),
        "host_args": Many(),
        "num_args": 1,
        "fused_ops": ["BiasAdd", "Relu"],
    },
    "_FusedMatMul": {
        "a": (2, 3),
        "b": (3, 4),
        "args": Many([(4,)]),
        "fused_ops": ["BiasAdd", "Relu"],
    },
    "_ParallelConcatStart": {"shape": [2, 3], "dtype": "float32"},
    "_ParallelConcatUpdate": {"value": (2, 3), "update": (1, 3), "loc": 0, "T": "float32"},
}
ROWS = {op: row for ops, row in _ROWS.items() for op in ops.split()}


# What an accelerator computes and the CPU does not: channels first, dilated and grouped gradients.
_NCHW: Row = {"data_format": "NCHW"}
_NCDHW: Row = {"data_format": "NCDHW"}
_POOL_NCHW: Row = {
    **_NCHW,
    "ksize": [1, 1, 2, 2],
    "strides": [1, 1, 2, 2],
    **dict.fromkeys(("value", "input", "orig_input"), (2, 3, 4, 4)),
    "orig_input_shape": [2, 3, 4, 4],
    **dict.fromkeys(("orig_output", "grad"), (2, 3, 2, 2)),
}
_CONV_NCHW: Row = {**_NCHW, "input": (2, 3, 8, 8), "input_sizes": [2, 3, 8, 8]}
_GROUPED: Row = {"input": (2, 8, 8, 6), "input_sizes": [2, 8, 8, 6]}
_DILATED: Row = {"dilations": [1, 2, 2, 1]}
_VARIANTS: dict[str, list[Row]] = {
    "AvgPool AvgPoolGrad MaxPool MaxPoolGrad MaxPoolGradV2 MaxPoolV2": [_POOL_NCHW],
    "BiasAdd BiasAddGrad": [{**_NCHW, "value": (2, 3, 4, 4), "out_backprop": (2, 3, 4, 4)}],
    "Conv2D Conv2DBackpropFilter Conv2DBackpropInput": [
        {**_CONV_NCHW, "out_backprop": (2, 4, 8, 8)},
        _DILATED,
        _GROUPED,
    ],
    "Conv3D Conv3DBackpropFilterV2 Conv3DBackpropInputV2": [
        {
            **_NCDHW,
            "input": (1, 2, 4, 4, 4),
            "input_sizes": [1, 2, 4, 4, 4],
            "out_backprop": (1, 3, 4, 4, 4),
        },
        {"dilations": [1, 2, 2, 2, 1]},
    ],
    "AvgPool3D AvgPool3DGrad MaxPool3D MaxPool3DGrad": [
        {
            **_NCDHW,
            "ksize": [1, 1, 2, 2, 2],
            "strides": [1, 1, 2, 2, 2],
            **dict.fromkeys(("input", "orig_input"), (1, 2, 4, 4, 4)),
            "orig_input_shape": [1, 2, 4, 4, 4],
            **dict.fromkeys(("orig_output", "grad"), (1, 2, 2, 2, 2)),
        }
    ],
    "DepthToSpace": [{**_NCHW, "input": (1, 4, 2, 2)}],
    "DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter "
    "DepthwiseConv2dNativeBackpropInput": [{**_CONV_NCHW, "out_backprop": (2, 6, 8, 8)}],
    "FusedBatchNorm FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 "
    "FusedBatchNormV2 FusedBatchNormV3": [
        {**_NCHW, "x": (2, 3, 4, 4), "y_backprop": (2, 3, 4, 4)},
        {"is_training": False, "mean": (3,), "variance": (3,)},
    ],
    "SpaceToDepth": [{**_NCHW, "input": (1, 1, 4, 4)}],
    "_FusedConv2D": [{**_CONV_NCHW}],
}
VARIANTS = {op: rows for ops, rows in _VARIANTS.items() for op in ops.split()}

# Outputs that are whatever memory holds, by op.
UNINITIALIZED: dict[str, frozenset[int]] = {
    "_ParallelConcatStart": frozenset({0}),
    **dict.fromkeys(
        ("FusedBatchNorm", "FusedBatchNormV2"), frozenset({1, 2, 3, 4})
    ),  # in inference
    "FusedBatchNormV3": frozenset({1, 2, 3, 4, 5}),
    "TensorArrayGradV3": frozenset({1}),
    "TensorArrayGradWithShape": frozenset({1}),
}
