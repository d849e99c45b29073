"""The subprocess that holds TensorFlow: build, trace one step, send plain data back."""

from opcheck.worker.client import capture
from opcheck.worker.devices import Traces, trace
from opcheck.worker.protocol import WorkerReply, WorkerRequest

__all__ = ["Traces", "WorkerReply", "WorkerRequest", "capture", "trace"]
