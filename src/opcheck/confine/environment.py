"""The environment variables that a confined process gets."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PASSED = frozenset(
    # where programs, libraries, the user's modules and caches are
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX"}
    | {"LD_LIBRARY_PATH", "LD_PRELOAD", "XDG_CACHE_HOME", "OPCHECK_CACHE_DIR"}
    # language
    | {"LANG", "LANGUAGE"}
    # the C++ compiler that builds the emulated device
    | {"CXX", "CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "GCC_EXEC_PREFIX"}
    | {"SDKROOT", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET"}
    # Windows
    | {"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "HOMEDRIVE"}
    | {"HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "USERNAME"}
    | {"NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "PROCESSOR_IDENTIFIER"}
)
_PREFIXES = (
    *("LC_", "PYTHON", "TF_", "KERAS_", "DML_", "METAL_", "MTL_", "DYLD_"),
    *("OMP_", "KMP_", "MKL_", "OPENBLAS_", "XLA_", "ONEDNN_", "DNNL_"),
)
# Terraform's variables begin with TF_ as well, and hold credentials.
_SECRET = re.compile(
    "^TF_(VAR|TOKEN|CLI|DATA)_|TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE"
)
_SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "0",  # the placement log is at level INFO
    "TF_CPP_MAX_VLOG_LEVEL": "0",
    "CUDA_VISIBLE_DEVICES": "-1",  # an NVIDIA GPU is none of our targets
    "KERAS_BACKEND": "tensorflow",
    "PYTHONIOENCODING": "utf-8",
}


def environment(given: Mapping[str, str], *, whole: bool = False) -> dict[str, str]:
    """The worker's environment: what TensorFlow and Python need of ``given``, or the ``whole``."""
    kept = {name: value for name, value in given.items() if whole or _passes(name.upper())}
    return kept | _SETTINGS


def _passes(name: str) -> bool:
    return (name in _PASSED or name.startswith(_PREFIXES)) and _SECRET.search(name) is None
