"""The subprocess that holds TensorFlow: build, trace one step or rewrite, send plain data back."""

from opcheck.worker.client import capture, fix
from opcheck.worker.devices import Traces, trace
from opcheck.worker.in_process import trace as trace_in_process
from opcheck.worker.protocol import FixReply, FixRequest, WorkerReply, WorkerRequest

__all__ = [
    "FixReply",
    "FixRequest",
    "Traces",
    "WorkerReply",
    "WorkerRequest",
    "capture",
    "fix",
    "trace",
    "trace_in_process",
]
