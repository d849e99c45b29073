"""Prints the ops of the TensorFlow here that have an argument or attribute named as a file is."""

from __future__ import annotations

import re

from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

_LIKE_A_FILE = re.compile(
    r"(^|_)(file|files|filename|filenames|path|paths|pattern|dir|directory|basename|prefix|address"
    r"|url|urls|spec|descriptor|stream|library)(_|$)"
)

_OPS = op_def_pb2.OpList()
_OPS.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
for op in _OPS.op:
    names = [part.name for part in (*op.input_arg, *op.attr)]
    if any(_LIKE_A_FILE.search(name) for name in names):
        print(op.name)
