"""The subprocess that holds TensorFlow: build, trace one step, send plain data back."""

from opcheck.worker.client import run
from opcheck.worker.protocol import WorkerReply, WorkerRequest

__all__ = ["WorkerReply", "WorkerRequest", "run"]
