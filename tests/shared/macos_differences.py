"""Why the TensorFlow for macOS has other kernels than that of the same version for Linux."""

from __future__ import annotations

import re
from collections import Counter

from opcheck.targets import KernelDef

ONEDNN = re.compile(r"_+Mkl|_?Quantized|_Fused|Requantiz|L2Loss$")
"""What Intel's library adds on x86 alone: ops of its own, fused ones, and (``BFLOAT16``) bfloat16
for some that have other types everywhere."""

BFLOAT16 = {
    "AvgPool", "AvgPoolGrad", "Conv2D", "Conv2DBackpropFilter", "Conv2DBackpropInput",
    "DepthwiseConv2dNative", "FusedBatchNormV3", "FusedBatchNormGradV3",
}  # fmt: skip

MACOS_ON_HOST = {
    "BroadcastTo", "DynamicStitch", "Pack", "Pad", "PadV2", "Reverse", "ReverseV2",
    "StridedSlice", "StridedSliceGrad", "StridedSliceAssign", "ResourceStridedSliceAssign",
    "TensorStridedSliceUpdate", "TensorArray", "TensorArrayV2", "TensorArrayV3",
    "TensorArrayGrad", "TensorArrayGradV2", "TensorArrayGradV3", "TensorArrayGradWithShape",
    "TensorArrayConcat", "TensorArrayConcatV2", "TensorArrayConcatV3",
}  # fmt: skip
"""``#ifdef PLUGGABLE_DEVICE_SUPPORTED_MACOS``: kernels that work in host memory for any device
(tensorflow/tensorflow#60310, and Apple's own builds before)."""

APPLE_ON_HOST = {"AddV2", "Equal", "Fill", "IsFinite", "Sum", "VariableShape"}
APPLE_COLLECTIVES = {
    "CollectiveBcastRecv", "CollectiveBcastRecvV2", "CollectiveBcastSend", "CollectiveBcastSendV2",
    "CollectiveGather", "CollectiveGatherV2", "CollectiveReduce", "CollectiveReduceV2",
    "DestroyResourceOp",
}  # fmt: skip
"""Apple built tensorflow-macos up to 2.12, from sources of its own: TensorFlow's of these versions
have no such kernels, and from 2.13 on, which Google publishes, they are gone (2.12 has few)."""

NOT_ON_MACOS = {
    "TensorListStack", "TensorListGather", "TensorListConcat", "TensorListConcatV2",
    "TensorListGetItem", "TensorListPopBack", "TensorListPushBackBatch", "TensorListFromTensor",
    "TensorListScatter", "TensorListScatterV2", "TensorListScatterIntoExistingList",
    "TensorListSplit",
}  # fmt: skip
"""What list_kernels.cc registers for any device, switched off on macOS: Metal's memory cannot be
addressed at an offset (tensorflow/tensorflow#59315; Apple's own builds had it before)."""


def unexplained(macos: Counter[KernelDef], linux: Counter[KernelDef], *, apple: bool) -> list[str]:
    """The kernels of one system alone without a cause above; ``apple`` says who built macOS'."""
    missing = [k for k in (macos - linux) if not _of_macos(k, apple)]
    return [f"macOS: {k}" for k in missing] + [
        f"Linux: {k}" for k in (linux - macos) if not _of_linux(k)
    ]


def _of_macos(kernel: KernelDef, apple: bool) -> bool:
    on_host = kernel.device == "DEFAULT" and bool(kernel.host_memory)
    if kernel.op in MACOS_ON_HOST:
        return on_host
    if not apple:
        return False
    return kernel.op in APPLE_COLLECTIVES or (
        kernel.op in APPLE_ON_HOST and (on_host or kernel.op == "VariableShape")
    )


def _of_linux(kernel: KernelDef) -> bool:
    if kernel.device != "CPU":
        return kernel.device == "DEFAULT" and kernel.op in NOT_ON_MACOS
    if kernel.op in BFLOAT16:
        return any("bfloat16" in values for _, values in kernel.constraints)
    return bool(ONEDNN.match(kernel.op))
