"""OPC104."""

from __future__ import annotations

from opcheck.rules.base import Group, OpRule, rewrite_advice, sentence
from opcheck.rules.types import PlacedOp, Subject

_CONCAT = "Take tf.concat (keras.layers.Concatenate) in place of tf.stack."


class HostPinned(OpRule):
    """An op is placed on the accelerator, but its kernel keeps the data in host memory.

    ## What it does
    Reports ops whose kernel on the accelerator declares its data tensors (not only shapes or axes)
    to be in host memory.

    ## Why it matters
    The placement log says GPU:0, yet the op computes on the CPU, and TensorFlow copies its tensors
    from and to the device at every step without a line in any log. TensorFlow's macOS builds
    register Pack, Reverse, DynamicStitch, StridedSlice on int32 and others so.

    ## What to do
    For small tensors, nothing. For activations, look for an op without a host-memory kernel that
    does the same (`tf.concat` in place of `tf.stack`, for one), and check it with opcheck.

    ## Source
    `PLUGGABLE_DEVICE_SUPPORTED_MACOS` in TensorFlow's kernel sources, and the `HostMemory` entries
    of the registrations recovered from the wheels.
    """

    code = "OPC104"

    def applies(self, op: PlacedOp) -> bool:
        return op.placement.verdict == "host-pinned"

    def message(self, group: Group, subject: Subject) -> str:
        device = subject.target.device_type
        return (
            f"{group.label} is placed on the {device} but computes on the CPU: "
            f"{sentence(group.reason)}"
        )

    def fix(self, group: Group, subject: Subject) -> str | None:
        if group.severity == "note":
            return None
        if group.op_type == "Pack" and _concatenates(group, subject):
            return _CONCAT
        return rewrite_advice(group, subject)


def _concatenates(group: Group, subject: Subject) -> bool:
    """Whether the accelerator has, for the same type, a ConcatV2 that works there."""
    attrs: dict[str, object] = {**dict(group.dtypes), "Tidx": "int32"}
    kernel = subject.target.registry.match("ConcatV2", subject.target.device_type, attrs)
    return kernel is not None and "values" not in kernel.host_memory
