"""FLOPs per op type: one entry a formula, with its source.

"profiler" is TensorFlow's own count (python/profiler/internal/flops_registry.py and the
RegisterStatistics entries of python/ops/nn_ops.py); tests/tf holds the table against it. An entry
marked ``estimate`` counts a typical implementation, or an operation such as exp as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from opcheck.cost import counting as by


@dataclass(frozen=True)
class Formula:
    """``ops`` share a way of counting; ``source`` says where it comes from."""

    ops: str
    count: by.Count
    source: str
    estimate: bool = False


_MOVES = """
    Assert AssignVariableOp BatchToSpaceND Bitcast BroadcastArgs BroadcastGradientArgs BroadcastTo
    Cast Concat ConcatOffset ConcatV2 Const ControlTrigger DeepCopy DepthToSpace DestroyResourceOp
    Diag DiagPart DynamicPartition DynamicStitch Empty EnsureShape Enter Exit ExpandDims
    ExtractImagePatches ExtractVolumePatches Fill Gather GatherNd GatherV2 Identity IdentityN
    InvertPermutation LookupTableFindV2 LookupTableSizeV2 LoopCond MatrixBandPart MatrixDiag
    MatrixDiagPartV3 MatrixDiagV3 MatrixSetDiagV3 Merge MirrorPad NextIteration NoOp OneHot OnesLike
    Pack Pad PadV2 ParallelConcat ParallelDynamicStitch Placeholder PlaceholderWithDefault
    PreventGradient Print PrintV2 RaggedTensorToTensor Rank ReadVariableOp RefSwitch Reshape
    ResizeNearestNeighbor ResourceGather ResourceGatherNd ResourceScatterUpdate
    ResourceStridedSliceAssign Reverse ReverseSequence ReverseV2 Roll ScatterNd
    Select SelectV2 Shape ShapeN Size Slice Snapshot SpaceToBatchND SpaceToDepth SparseReshape
    Split SplitV Squeeze StackPopV2 StackPushV2 StackV2 StaticRegexReplace StopGradient StridedSlice
    StridedSliceGrad StringJoin StringLower StringSplitV2 Switch TensorListConcatV2
    TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
    TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListSetItem
    TensorListStack TensorScatterUpdate Tile Transpose Unpack VarHandleOp VarIsInitializedOp
    VariableShape VariableV2 Where ZerosLike
    EmptyTensorList TensorArrayV3 TensorArrayReadV3 TensorArrayWriteV3 TensorArrayGatherV3
    TensorArrayScatterV3 TensorArraySizeV3 TensorArrayCloseV3 TensorArrayGradV3
    StatelessRandomGetKeyCounter StatelessRandomGetAlg StatelessRandomGetKeyCounterAlg
"""

FORMULAS = (
    Formula(_MOVES, by.nothing, "moves, selects or describes data; no arithmetic on it"),
    Formula(
        """
        Abs Add AddV2 ApproximateEqual BiasAdd BitwiseAnd BitwiseOr BitwiseXor Ceil ClipByValue
        Cumprod Cumsum Div DivNoNan Equal Floor FloorDiv FloorMod Greater GreaterEqual Inv Invert
        IsFinite IsInf IsNan LeftShift Less LessEqual LinSpace LogicalAnd LogicalNot LogicalOr
        Maximum Minimum Mod Mul MulNoNan Neg NextAfter NotEqual Range RealDiv Reciprocal Relu
        ReluGrad RightShift Rint Round Sign Square Sub TruncateDiv TruncateMod Relu6Grad
        """,
        by.per_output(1),
        "one per output element (profiler)",
    ),
    Formula(
        """
        Acos Acosh Asin Asinh Atan Atan2 Atanh BesselI0e BesselI1e Cos Cosh Digamma Erf Erfc Erfinv
        Exp Expm1 Igamma Igammac Lgamma Log Log1p Ndtri Polygamma Pow Sigmoid Sin Sinh Softplus
        Softsign Sqrt Tan Tanh Xdivy Xlog1py Xlogy Zeta Betainc Elu Selu LeakyRelu LeakyReluGrad
        Relu6 Complex Real Imag Conj ComplexAbs Angle PopulationCount
        """,
        by.per_output(1),
        "one per output element (profiler's way with Log and Pow)",
        estimate=True,
    ),
    Formula("Rsqrt SquaredDifference", by.per_output(2), "two per output element (profiler)"),
    Formula("EluGrad SeluGrad SqrtGrad", by.per_output(2), "cwise_ops_gradients.h", estimate=True),
    Formula(
        "SigmoidGrad TanhGrad SoftplusGrad SoftsignGrad ReciprocalGrad InvGrad",
        by.per_output(3),
        "dy * y * (1 - y), dy * (1 - y * y) and the like: cwise_ops_gradients.h",
        estimate=True,
    ),
    Formula("RsqrtGrad", by.per_output(4), "-0.5 * dy * y^3 (profiler)"),
    Formula(
        "Softmax LogSoftmax",
        by.per_output(5),
        "shift 2, exp 1, divide 2 per element (profiler)",
        estimate=True,
    ),
    Formula(
        "SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits",
        by.per_input(8),
        "a softmax, a log and a product per logit, and the gradient: xent_op.h",
        estimate=True,
    ),
    Formula(
        "Sum Prod Max Min All Any ArgMax ArgMin BiasAddGrad",
        by.reduction,
        "n inputs to m outputs: n - m (profiler)",
    ),
    Formula("Mean", by.per_input(1), "a sum and a division per output (profiler)"),
    Formula("EuclideanNorm", by.per_input(2), "squares and their sum", estimate=True),
    Formula("L2Loss", by.square_of_all, "3 n - 1 (profiler)"),
    Formula("AddN AccumulateNV2", by.sum_of_all, "(N - 1) n (profiler)"),
    Formula(
        "MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 _FusedMatMul",
        by.products,
        "2 m n k (profiler)",
    ),
    Formula("Einsum", by.einsum, "2 per point of the index space: what the products take"),
    Formula(
        "Conv2D Conv3D _FusedConv2D",
        by.convolution,
        "2 per output, filter position and input channel (profiler)",
    ),
    Formula(
        "Conv2DBackpropInput Conv2DBackpropInputV2 Conv3DBackpropInput Conv3DBackpropInputV2",
        by.convolution_input_gradient,
        "as the convolution; the profiler divides by the strides instead, and so is off where they "
        "do not divide the size",
    ),
    Formula(
        "Conv2DBackpropFilter Conv2DBackpropFilterV2 Conv3DBackpropFilter Conv3DBackpropFilterV2",
        by.convolution_filter_gradient,
        "as the convolution",
    ),
    Formula("DepthwiseConv2dNative", by.depthwise, "2 per output and filter position (profiler)"),
    Formula(
        "DepthwiseConv2dNativeBackpropInput", by.depthwise_input_gradient, "as the convolution"
    ),
    Formula(
        "DepthwiseConv2dNativeBackpropFilter", by.depthwise_filter_gradient, "as the convolution"
    ),
    Formula("MaxPool AvgPool MaxPool3D AvgPool3D MaxPoolWithArgmax", by.pooling, "profiler"),
    Formula(
        "AvgPoolGrad AvgPool3DGrad",
        by.average_pool_gradient,
        "window times gradient, twice (profiler)",
    ),
    Formula(
        "MaxPoolGrad MaxPool3DGrad",
        by.max_pool_gradient,
        "the pooling again and one addition an output (profiler)",
    ),
    Formula(
        "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3",
        by.batch_norm,
        "2 per element in inference, 6 in training: fused_batch_norm_op.cc",
        estimate=True,
    ),
    Formula(
        "FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3",
        by.per_input(8),
        "two sums (4) and the gradient of the input (4): fused_batch_norm_op.cc",
        estimate=True,
    ),
    Formula("CudnnRNN CudnnRNNV2 CudnnRNNV3", by.recurrent, "matrix products alone", estimate=True),
    Formula(
        "CudnnRNNBackprop CudnnRNNBackpropV2 CudnnRNNBackpropV3",
        by.recurrent_gradient,
        "twice the forward pass",
        estimate=True,
    ),
    Formula(
        """
        AssignAddVariableOp AssignSubVariableOp
        """,
        by.per_named(1, "value"),
        "one per element of the value (profiler's AssignAdd)",
    ),
    Formula(
        """
        ResourceScatterAdd ResourceScatterSub ResourceScatterMul ResourceScatterDiv
        ResourceScatterMax ResourceScatterMin
        """,
        by.per_named(1, "updates"),
        "one per element of the updates",
    ),
    Formula(
        "TensorScatterAdd TensorScatterSub ScatterNdAdd",
        by.per_named(1, "updates"),
        "one per element of the updates",
    ),
    Formula(
        """
        SegmentSum SegmentMax SegmentMean SegmentMin UnsortedSegmentMax UnsortedSegmentMin
        UnsortedSegmentProd UnsortedSegmentSum
        """,
        by.per_input(1),
        "one per element that is added",
    ),
    Formula(
        "ResourceApplyGradientDescent",
        by.per_named(2, "delta"),
        "var -= alpha * delta (training_ops.cc)",
    ),
    Formula(
        """
        ResourceApplyMomentum ResourceApplyKerasMomentum ResourceSparseApplyMomentum
        ResourceSparseApplyKerasMomentum
        """,
        by.per_named(4, "grad"),
        "accum = momentum * accum + grad; var -= lr * accum (training_ops.cc)",
    ),
    Formula(
        "ResourceApplyAdam",
        by.per_named(12, "grad"),
        "m 3, v 4, var 5 per element (training_ops.cc)",
        estimate=True,
    ),
    Formula(
        """
        ResourceApplyAdagrad ResourceApplyAdagradV2 ResourceSparseApplyAdagrad
        ResourceSparseApplyAdagradV2
        """,
        by.per_named(5, "grad"),
        "accum += g * g; var -= lr * g / sqrt(accum) (training_ops.cc)",
        estimate=True,
    ),
    Formula(
        """
        ResourceApplyRMSProp ResourceApplyCenteredRMSProp ResourceApplyAdadelta ResourceApplyFtrl
        ResourceApplyFtrlV2 ResourceApplyAdamWithAmsgrad ResourceApplyAdaMax
        ResourceSparseApplyRMSProp ResourceSparseApplyCenteredRMSProp ResourceSparseApplyAdadelta
        ResourceSparseApplyFtrl ResourceSparseApplyFtrlV2
        """,
        by.per_named(12, "grad"),
        "about a dozen per element (training_ops.cc)",
        estimate=True,
    ),
    Formula(
        """
        Multinomial RandomGamma RandomPoissonV2 RandomStandardNormal RandomUniform RandomUniformInt
        RngReadAndSkip StatefulRandomBinomial StatefulStandardNormalV2 StatefulTruncatedNormal
        StatefulUniform StatefulUniformInt StatelessMultinomial StatelessRandomNormal
        StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformInt
        StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessTruncatedNormal
        StatelessTruncatedNormalV2 TruncatedNormal
        """,
        by.per_output(1),
        "one per number drawn; the generator's integer rounds are not counted",
        estimate=True,
    ),
    Formula(
        "ResizeBilinear ScaleAndTranslate", by.per_output(9), "three interpolations", estimate=True
    ),
    Formula("ResizeBilinearGrad", by.per_input(9), "as forward", estimate=True),
    Formula("ResizeBicubic", by.per_output(32), "16 products, added", estimate=True),
    Formula("ResizeArea", by.per_input(2), "a product and a sum per element", estimate=True),
    Formula(
        "ImageProjectiveTransformV2 ImageProjectiveTransformV3",
        by.per_output(18),
        "a projection and three interpolations: image_ops.h",
        estimate=True,
    ),
    Formula("AdjustContrastv2 AdjustSaturation AdjustHue", by.per_output(6), "image kernels", True),
    Formula("RGBToHSV HSVToRGB", by.per_output(6), "image/colorspace_op.h", estimate=True),
    Formula("LRN", by.per_output(8), "lrn_op.cc, window of 5", estimate=True),
    Formula("Bincount DenseBincount", by.per_input(1), "one per element", estimate=True),
    Formula("Bucketize", by.per_output(4), "a binary search", estimate=True),
    Formula("TopK TopKV2", by.sorting, "n log2 n comparisons", estimate=True),
    Formula(
        "FFT FFT2D FFT3D IFFT IFFT2D IFFT3D RFFT RFFT2D RFFT3D IRFFT IRFFT2D IRFFT3D",
        by.fourier,
        "5 n log2 n (fftw.org/speed)",
        estimate=True,
    ),
    Formula("Cholesky", by.cubic(1, 3), "n^3 / 3 (Golub and Van Loan, 4.2)", estimate=True),
    Formula("MatrixInverse", by.cubic(2, 1), "2 n^3 (Golub and Van Loan, 3.2)", estimate=True),
    Formula("MatrixDeterminant Lu", by.cubic(2, 3), "2 n^3 / 3 (the same)", estimate=True),
    Formula("Qr", by.cubic(2, 1), "2 m n^2 (the same, 5.2)", estimate=True),
)

_PER_TYPE: Mapping[str, Formula] = MappingProxyType(
    {op: formula for formula in FORMULAS for op in formula.ops.split()}
)


def formula(op_type: str) -> Formula | None:
    """How to count an op of this type, ``None`` when nobody has said."""
    return _PER_TYPE.get(op_type)
