"""Asks the HDF5 library about a file, in a confined process of its own: it is large, and in C.

The process gets the open file as its standard input, and never opens another: links are looked at
but not followed, and of a dataset only the description is read. That covers what Keras' own loader
followed (CVE-2026-1669): external links, external storage and virtual datasets. The weights in a
``.keras`` archive are looked at in the same way, where they are.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from opcheck import confine

if TYPE_CHECKING:
    import zipfile

    import h5py

_MEMORY = 512 * 2**20
_SECONDS = 30.0
_MOST_OBJECTS = 100_000
_MOST_LINKS = 100  # that are told
_MOST_BYTES = 128 * 2**20  # of an answer
_NAME = 300  # characters of a name that is told
_MOST_FILES = 1000  # of weights in an archive
_LARGEST_PACKED = 256 * 2**20  # bytes of weights that are compressed, which Keras does not do

# An array is oversized from here on, in bytes and in multiples of what is stored; as in Keras 3.14.
_LARGE = 2**30
_MOST_TIMES = 1000

VIRTUAL = 3  # H5D_VIRTUAL


class Question(msgspec.Struct, frozen=True):
    """The names of root attributes that are strings, none longer than ``limit`` bytes.

    With ``archive`` the file is a zip, and only what its ``.h5`` files keep elsewhere is asked.
    """

    limits: confine.Limits
    attributes: tuple[str, ...] = ()
    limit: int = 0
    archive: bool = False


class Answer(msgspec.Struct, frozen=True):
    """``foreign`` are the names of what is kept elsewhere, each with where; ``names`` the root's.

    ``oversized`` are those of arrays that declare far more numbers than they store, with how many
    bytes. ``error`` says why there is no more.
    """

    attributes: dict[str, str] = {}
    names: tuple[str, ...] = ()
    foreign: tuple[tuple[str, str], ...] = ()
    oversized: tuple[tuple[str, int], ...] = ()
    error: str | None = None


def ask(file: BinaryIO, attributes: frozenset[str], limit: int) -> Answer:
    """What the library says of an open HDF5 file; an ``error`` whatever else happens."""
    return _told(file, Question(_limits(), tuple(sorted(attributes)), limit))


def ask_archive(file: BinaryIO) -> Answer:
    """What the library says of the weights in an open ``.keras`` archive, as `ask`."""
    return _told(file, Question(_limits(), archive=True))


def _limits() -> confine.Limits:
    return confine.Limits(os.getpid(), _MEMORY, _SECONDS)


def _told(file: BinaryIO, question: Question) -> Answer:
    file.seek(0)
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(
                confine.command(__name__, msgspec.json.encode(question).decode()),
                stdin=file,
                stdout=said,
                stderr=subprocess.DEVNULL,
                env=confine.environment(os.environ),
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Answer(error=f"the HDF5 library did not finish in {_SECONDS:g} s")
        said.seek(0)
        try:
            return msgspec.json.decode(said.read(_MOST_BYTES), type=Answer)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return Answer(error=f"the HDF5 library failed, status {done.returncode}")


def start() -> int:
    """What the process does."""
    question = msgspec.json.decode(sys.argv[1], type=Question)
    question.limits.apply()
    file = os.fdopen(0, "rb")
    try:
        answer = _archived(file) if question.archive else _answer(file, question)
    except Exception as error:  # h5py raises about any type on damaged files
        answer = Answer(error=_line(error))
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    sys.stdout.flush()
    return 0


def _answer(file: BinaryIO, question: Question) -> Answer:
    import h5py

    with h5py.File(file, "r") as h5:
        found = {name: _text(h5, name, question.limit) for name in question.attributes}
        attributes = {name: text for name, text in found.items() if text is not None}
        found_here = _Found()
        try:
            found_here.look_through(h5)
        except Exception as damage:
            found_here.error = _line(damage)
        return found_here.answer(attributes)


class _Found:
    """What is collected while files are looked through."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.foreign: list[tuple[str, str]] = []
        self.oversized: list[tuple[str, int]] = []
        self.error: str | None = None

    def look_through(self, h5: h5py.File, prefix: str = "") -> None:
        for path, where, size in _objects(h5):
            name = (prefix + path)[:_NAME]
            if "/" not in path:
                self.names.append(name)
            if where is not None and len(self.foreign) < _MOST_LINKS:
                self.foreign.append((name, where[:_NAME]))
            self.add_size(name, *size)

    def add_size(self, name: str, declared: int, stored: int) -> None:
        if declared > max(_LARGE, stored * _MOST_TIMES) and len(self.oversized) < _MOST_LINKS:
            self.oversized.append((name[:_NAME], min(declared, 2**63)))

    def answer(self, attributes: dict[str, str]) -> Answer:
        names, foreign = tuple(self.names[:1000]), tuple(self.foreign)
        return Answer(attributes, names, foreign, tuple(self.oversized), self.error)


def _archived(file: BinaryIO) -> Answer:
    import zipfile

    import h5py

    found = _Found()
    with zipfile.ZipFile(file) as archive:
        weights = [i for i in archive.infolist() if i.filename.endswith((".h5", ".npz"))]
        if len(weights) > _MOST_FILES:
            return Answer(error=f"there are more than {_MOST_FILES} files of them")
        for info in weights:
            prefix = f"{info.filename}/"
            try:
                content = _member(archive, info, file)
                if info.filename.endswith(".npz"):
                    _arrays(content, prefix, found)
                    continue
                with h5py.File(content, "r") as h5:
                    found.look_through(h5, prefix)
            except Exception as damage:
                found.error = f"{info.filename}: {_line(damage)}"
                break
    return found.answer({})


def _arrays(content: Any, prefix: str, found: _Found) -> None:
    """The weights of Keras 2.12, where h5py was missing: an archive of arrays in the archive."""
    import zipfile

    from numpy.lib import format as npy

    with zipfile.ZipFile(content) as archive:
        for info in archive.infolist():
            with archive.open(info) as member:
                read = (npy.read_array_header_1_0, npy.read_array_header_2_0)
                shape, _, dtype = read[npy.read_magic(member)[0] - 1](member)
            found.add_size(prefix + info.filename, prod(shape) * dtype.itemsize, info.compress_size)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: BinaryIO) -> Any:
    """A member as a file that h5py can move in; where it is stored as it is, without a copy."""
    with archive.open(info) as member:  # which checks its header
        if info.compress_type != 0:  # stored as it is
            content = member.read(_LARGEST_PACKED + 1)
            if len(content) > _LARGEST_PACKED:
                raise ValueError(f"compressed, and larger than {_LARGEST_PACKED >> 20} MB")
            return io.BytesIO(content)
    file.seek(info.header_offset + 26)  # APPNOTE.TXT, 4.3.7: the lengths of what comes before
    start = info.header_offset + 30 + sum(struct.unpack("<HH", file.read(4)))
    return _Part(file, start, info.file_size)


class _Part(io.RawIOBase):
    """``size`` bytes of a file, from ``start`` on."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = (0, self._at, self._size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        self._file.seek(self._start + self._at)
        wanted = max(0, min(len(buffer), self._size - self._at))
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _text(h5: h5py.File, name: str, limit: int) -> str | None:
    """A scalar string attribute; "" for anything else (``layer_names`` is an array)."""
    if name not in h5.attrs:
        return None
    attribute = h5.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind not in "SO":
        return ""
    if attribute.get_storage_size() > limit:
        raise ValueError(f"its attribute {name} is larger than {limit >> 20} MB")
    value = h5.attrs[name]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _objects(h5: h5py.File) -> Iterator[tuple[str, str | None, tuple[int, int]]]:
    """Every object's path, each object once; where it is kept, when that is not in its place; and
    of arrays the bytes declared and stored."""
    import h5py

    todo, seen = [("", h5["/"].id)], set()
    for prefix, group in todo:  # grows while it is walked
        for name in group:
            path = prefix + name.decode("utf-8", "replace")
            kind = group.links.get_info(name).type
            if kind != h5py.h5l.TYPE_HARD:
                yield path, _link(group, name, kind), (0, 0)
                continue
            found = h5py.h5o.get_info(group, name)
            if (found.fileno, found.addr) in seen:
                continue
            seen.add((found.fileno, found.addr))
            if len(seen) > _MOST_OBJECTS:
                raise ValueError(f"it holds more than {_MOST_OBJECTS} objects")
            if found.type == h5py.h5o.TYPE_GROUP:
                todo.append((path + "/", h5py.h5g.open(group, name)))
                yield path, None, (0, 0)
            elif found.type == h5py.h5o.TYPE_DATASET:
                dataset = h5py.h5d.open(group, name)
                declared = prod(dataset.shape) * dataset.get_type().get_size()
                yield path, _storage(dataset), (declared, dataset.get_storage_size())
            else:
                yield path, None, (0, 0)


def _link(group: h5py.h5g.GroupID, name: bytes, kind: int) -> str:
    import h5py

    value = group.links.get_val(name)
    if kind == h5py.h5l.TYPE_EXTERNAL:
        file, path = value
        return f"a link to {_decoded(path)} in the file {_decoded(file)}"
    return f"a link to {_decoded(value)}"


def _storage(dataset: h5py.h5d.DatasetID) -> str | None:
    described = dataset.get_create_plist()
    if described.get_external_count():
        return f"stored in the file {_decoded(described.get_external(0)[0])}"
    if described.get_layout() == VIRTUAL and described.get_virtual_count():
        return f"a view of the file {described.get_virtual_filename(0)}"
    return None


def _decoded(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
