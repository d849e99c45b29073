"""The subprocess that holds TensorFlow: build, trace one step, send plain data back."""

from opcheck.worker.client import capture
from opcheck.worker.devices import Traces, trace
from opcheck.worker.in_process import trace as trace_in_process
from opcheck.worker.protocol import WorkerReply, WorkerRequest

__all__ = ["Traces", "WorkerReply", "WorkerRequest", "capture", "trace", "trace_in_process"]
