"""The placer's log lines, as TensorFlow 2.10 and 2.18 write them."""

from __future__ import annotations

from pathlib import Path

from opcheck.worker.device_log import read_device_log
from opcheck.worker.protocol import DeviceLogEntry, NamedOp

CPU = "/job:localhost/replica:0/task:0/device:CPU:0"
LOG = f"""\
before the step: (Ignored): {CPU}
2026-01-01 00:00:00.603407: I tensorflow/core/common_runtime/placer.cc:114] x: (_Arg): {CPU}
2026-01-01 00:00:00.603410: I tensorflow/core/common_runtime/placer.cc:162] lstm/while/body/_267/\
lstm_cell/MatMul: (MatMul): /job:localhost/replica:0/task:0/device:GPU:0
I0000 00:00:1795227616.358284   12691 placer.cc:125] Relu: (Relu): {CPU}
I tensorflow/core/common_runtime/eager/execute.cc:1] Executing op Add in device {CPU}
opcheck-emulator: zeros for lstm/CudnnRNNV3 (CudnnRNNV3)
opcheck-emulator: zeros for lstm/CudnnRNNV3 (CudnnRNNV3)
I tensorflow/core/common_runtime/placer.cc:162] y_RetVal: (_Retval): {CPU}
"""


def test_the_lines_after_the_offset(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(LOG)
    placements, zeros = read_device_log(path, LOG.index("\n") + 1)
    assert placements == (
        DeviceLogEntry("lstm/while/body/_267/lstm_cell/MatMul", "MatMul", "GPU:0"),
        DeviceLogEntry("Relu", "Relu", "CPU:0"),
    )
    assert zeros == (NamedOp("lstm/CudnnRNNV3", "CudnnRNNV3"),)
    assert read_device_log(path, len(LOG)) == ((), ())
