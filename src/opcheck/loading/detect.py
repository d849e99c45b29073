"""path -> ModelSource: finds out what a path is by its content, then calls that format's reader."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from opcheck.errors import UnreadableModelError
from opcheck.loading import hdf5, keras_archive
from opcheck.loading.stored import StoredModel
from opcheck.loading.types import ModelFormat, ModelSource

_FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_READABLE = "opcheck reads Keras .keras and .h5 files, SavedModel folders and frozen graphs (.pb)."


def read(spec: str) -> ModelSource:
    """Read a model file as data, or recognise ``package.module:build_model``.

    Nothing of the file is executed and no TensorFlow is imported. Raises UnreadableModelError when
    the path is no model that opcheck reads, RefusedModelError when its container is hostile.
    """
    path = Path(spec)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        if _FACTORY.fullmatch(spec):
            return ModelSource(spec, "factory", "", None, None, (), ())
        raise _no_such_path(spec, error) from None
    if stat.S_ISDIR(status.st_mode):
        return _read_folder(path, spec)
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableModelError(f"{spec} is {_special(status.st_mode)}, not a model file.")
    with _open(path, spec) as file:
        return _read_file(file, spec)


def _read_file(file: BinaryIO, spec: str) -> ModelSource:
    head = file.read(512)
    file.seek(0)
    stored: StoredModel
    form: ModelFormat
    if head.startswith(hdf5.SIGNATURE):
        form, stored = "hdf5", hdf5.read_hdf5(file, spec)
    elif head.startswith(keras_archive.SIGNATURE):
        form, stored = "keras", keras_archive.read_keras_archive(file, spec)
    else:
        raise UnreadableModelError(f"{spec} is not a model file.", hint=_READABLE)
    return _source(spec, form, stored, _sha256(file))


def _read_folder(path: Path, spec: str) -> ModelSource:
    raise UnreadableModelError(f"{spec} is a folder without a model in it.", hint=_READABLE)


def _source(spec: str, form: ModelFormat, stored: StoredModel, sha256: str) -> ModelSource:
    return ModelSource(
        path=spec,
        format=form,
        sha256=sha256,
        keras_version=stored.keras_version,
        backend=stored.backend,
        layers=stored.layers,
        hazards=stored.hazards,
        architecture=stored.architecture,
        training=stored.training,
        name=stored.name,
        notes=stored.notes,
    )


def _open(path: Path, spec: str) -> BinaryIO:
    try:
        # Not blocking, in case the path became a fifo since it was looked at.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(path, flags)
        return os.fdopen(handle, "rb")
    except OSError as error:
        raise _no_such_path(spec, error) from None


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest.hexdigest()


def _special(mode: int) -> str:
    for test, what in (
        (stat.S_ISFIFO, "a fifo"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return what
    return "a special file"


def _no_such_path(spec: str, error: OSError | ValueError) -> UnreadableModelError:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return UnreadableModelError(f"There is no permission to read {spec}.")
    if number == errno.ELOOP:
        return UnreadableModelError(f"{spec} is a symbolic link that leads back to itself.")
    if number in (errno.ENOENT, errno.ENOTDIR, None):
        return UnreadableModelError(f"{spec} does not exist.", hint=_READABLE)
    return UnreadableModelError(f"{spec} cannot be read ({os.strerror(number)}).")
