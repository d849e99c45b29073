"""Refuses what turns data into running code, while a model is made of a file and traced.

What a config may name is decided before (`opcheck.loading.allowlist`). This holds should that miss
something: Keras, tf_keras and TensorFlow's own copy each make functions of what a file stores, in
several places, and HDF5's loaders know no safe mode. It hears Python's audit events, so it does not
matter who does it. Source: PEP 578, docs.python.org "Audit events table".
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from opcheck.errors import RefusedModelError

_CODE = frozenset({"marshal.load", "marshal.loads"})
_PROGRAMS = frozenset(
    {"pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen"}
)

_refused: frozenset[str] = frozenset()
_hooked = False


@contextlib.contextmanager
def refused(*, programs: bool) -> Iterator[None]:
    """Inside, no stored code becomes a function; with ``programs``, nothing is unpickled and no
    program started either. For the whole process: a hook cannot be taken back, only told to pass.

    Raises:
        RefusedModelError: where that is tried; the library in between may make another error of it.
    """
    global _hooked, _refused
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked = True
    before, _refused = _refused, _CODE | _PROGRAMS if programs else _CODE
    try:
        yield
    finally:
        _refused = before


def _hear(event: str, _: object) -> None:
    if event not in _refused:
        return
    caller = sys._getframe(1).f_code.co_filename
    if caller.startswith("<frozen "):  # a module that is imported: from its own cached file
        return
    raise RefusedModelError(f"The file holds code, or starts a program ({event}); it was not run.")
