"""Stage 1: a path -> ModelSource, read as data, never executed, without TensorFlow."""

from opcheck.loading.detect import read
from opcheck.loading.safe_config import SafeConfig, safe_config
from opcheck.loading.types import Hazard, ModelFormat, ModelSource

__all__ = ["Hazard", "ModelFormat", "ModelSource", "SafeConfig", "read", "safe_config"]
