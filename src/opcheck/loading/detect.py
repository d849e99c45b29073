"""path -> ModelSource: finds out what a path is by its content, then calls that format's reader."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from opcheck.errors import UnreadableModelError
from opcheck.loading import unreadable
from opcheck.loading.types import ModelFormat, ModelSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opcheck.loading.stored import StoredModel

_FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_HEAD = 4096
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_SAVEDMODEL = b"\x08\x01\x12"  # saved_model_schema_version (field 1) is 1, then meta_graphs (2)
_GRAPHDEF = b"\x0a"  # node (field 1); what follows is checked by reading it


def read(spec: str) -> ModelSource:
    """Read a model file as data, or recognise ``package.module:build_model``.

    Nothing of the file is executed and no TensorFlow is imported. Raises UnreadableModelError when
    the path is no model that opcheck reads, RefusedModelError when its container is hostile.
    """
    try:
        spec.encode()
    except UnicodeEncodeError:
        raise UnreadableModelError(
            f"{spec} has a name that is no text, so that no report could name it.",
            hint="Rename it.",
        ) from None
    try:
        mode = Path(spec).stat().st_mode
    except (OSError, ValueError) as error:
        if _FACTORY.fullmatch(spec) and not isinstance(error, PermissionError):
            return ModelSource(spec, "factory", "", None, None, (), ())
        raise unreadable.missing(spec, error) from None
    if stat.S_ISDIR(mode):
        return _read_folder(spec)
    if not stat.S_ISREG(mode):
        raise unreadable.special(spec, mode)
    with _opened(Path(spec), spec) as file:
        return _read_file(file, spec)


def _read_file(file: BinaryIO, spec: str) -> ModelSource:
    # Each reader is imported where it is needed: they cost memory, h5py most of all.
    head = file.read(_HEAD)
    file.seek(0)
    if head.startswith(_HDF5):
        from opcheck.loading.hdf5 import read_hdf5

        return _source(spec, "hdf5", read_hdf5(file, spec), file)
    if head.startswith(_ZIP):
        from opcheck.loading.keras_archive import read_keras_archive

        return _source(spec, "keras", read_keras_archive(file, spec), file)
    if head.startswith(_SAVEDMODEL):
        raise UnreadableModelError(
            f"{spec} is the graph of a SavedModel without its folder.",
            hint="Give the folder that holds saved_model.pb, variables/ and keras_metadata.pb.",
        )
    if head.startswith(_GRAPHDEF):
        from opcheck.loading.graphdef import looks_like_graph, read_frozen_graph

        if looks_like_graph(head):
            return _source(spec, "frozen-graph", read_frozen_graph(_mapped(file), spec), file)
    file.seek(max(0, os.fstat(file.fileno()).st_size - 8))
    raise unreadable.file(spec, head, file.read(8))


def _read_folder(spec: str) -> ModelSource:
    model, metadata = Path(spec, "saved_model.pb"), Path(spec, "keras_metadata.pb")
    if not model.is_file():
        raise unreadable.folder(spec, Path(spec))
    from opcheck.loading.savedmodel import read_savedmodel

    keras = None
    if metadata.is_file():
        with _opened(metadata, str(metadata)) as file:
            keras = _mapped(file)
    with _opened(model, str(model)) as file:
        stored = read_savedmodel(_mapped(file), keras, spec)
        return _source(spec, "savedmodel", stored, file)


def _source(spec: str, form: ModelFormat, stored: StoredModel, file: BinaryIO) -> ModelSource:
    return ModelSource(
        path=spec,
        format=form,
        sha256=_sha256(file),
        keras_version=stored.keras_version,
        backend=stored.backend,
        layers=stored.layers,
        hazards=stored.hazards,
        architecture=stored.architecture,
        training=stored.training,
        name=stored.name,
        notes=stored.notes + _misnamed(spec, form),
    )


_PROMISED = {".h5": "hdf5", ".hdf5": "hdf5", ".keras": "keras", ".pb": "frozen-graph"}
_NAMES = {"hdf5": "an HDF5 file", "keras": "a .keras archive", "frozen-graph": "a frozen graph"}
_EXTENSIONS = {"hdf5": ".h5", "keras": ".keras", "frozen-graph": ".pb"}


def _misnamed(spec: str, form: ModelFormat) -> tuple[str, ...]:
    """A note on HDF5 named ``.keras``, which is what Keras wrote before 2.12.

    Raises UnreadableModelError where the extension lies: Keras goes by it and would fail too.
    """
    extension = Path(spec).suffix.lower()
    if _PROMISED.get(extension, form) == form:
        return ()
    what = f"the name ends in {extension}, but the file is {_NAMES.get(form, form)}"
    if (extension, form) == (".keras", "hdf5"):
        return (f"{what[0].upper()}{what[1:]}.",)
    raise UnreadableModelError(
        f"{spec} is not what it is called: {what}.",
        hint=f"Rename it to end in {_EXTENSIONS.get(form, form)}.",
    )


@contextmanager
def _opened(path: Path, spec: str) -> Iterator[BinaryIO]:
    # Not blocking, in case the path became a fifo since it was looked at.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.fdopen(os.open(path, flags), "rb")
    except OSError as error:
        raise unreadable.missing(spec, error) from None
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise unreadable.special(spec, os.fstat(file.fileno()).st_mode)
        yield file


def _mapped(file: BinaryIO) -> memoryview:
    """The file's bytes without reading them all: weights inside graphs are stepped over."""
    if os.fstat(file.fileno()).st_size == 0:
        return memoryview(b"")
    # Left to the garbage collector: views of it may live on in the traceback of an error, and
    # then it cannot be closed.
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest.hexdigest()
