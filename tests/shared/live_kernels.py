"""The kernels that TensorFlow has in a process of its own: what recovered registries must equal.

`live_kernels` runs this file with another Python, from 3.6 on, where opcheck is not installed.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path


def live_kernels(python=sys.executable, library=None, **environment):
    """``library`` is a plugin to load then. Counters of KernelDef: before it, and what it adds."""
    from opcheck.targets import KernelDef

    def read(rows, origin):
        return Counter(
            KernelDef(
                op, device, tuple((attr, tuple(values)) for attr, values in constraints),
                tuple(host), priority, label, origin, (),
            )
            for op, device, constraints, host, priority, label in rows
        )  # fmt: skip

    with tempfile.TemporaryDirectory(prefix="opcheck-") as folder:
        found = Path(folder) / "kernels.json"
        run = subprocess.run(
            [str(python), __file__, str(found), *([str(library)] if library else [])],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-2000:]
        before, after = json.loads(found.read_text(encoding="utf-8"))
    return read(before, "core"), read(after, "plugin") - read(before, "plugin")


def _registered():
    import tensorflow as tf
    from tensorflow.python.framework import kernels

    def values(listed):
        return (
            [tf.as_dtype(t).name for t in listed.type]
            + [s.decode() for s in listed.s]
            + [str(i) for i in listed.i]
            + ["true" if b else "false" for b in listed.b]
        )

    return [
        [
            k.op,
            k.device_type,
            sorted([c.name, sorted(values(c.allowed_values.list))] for c in k.constraint),
            sorted(set(k.host_memory_arg)),
            k.priority,
            k.label,
        ]
        for k in kernels.get_all_registered_kernels().kernel
    ]


def _main(found, library=None):
    before = _registered()
    if library is not None:
        from tensorflow.python.client import pywrap_tf_session

        pywrap_tf_session.TF_LoadPluggableDeviceLibrary(library)
    Path(found).write_text(json.dumps([before, _registered()]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
