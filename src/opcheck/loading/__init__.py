"""Stage 1: a path -> ModelSource, read as data, never executed, without TensorFlow."""

from opcheck.loading.detect import read
from opcheck.loading.live import LiveModel, describe_live, is_model, read_live
from opcheck.loading.safe_config import SafeConfig, safe_config
from opcheck.loading.types import Hazard, ModelFormat, ModelSource

__all__ = [
    "Hazard",
    "LiveModel",
    "ModelFormat",
    "ModelSource",
    "SafeConfig",
    "describe_live",
    "is_model",
    "read",
    "read_live",
    "safe_config",
]
