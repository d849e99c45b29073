"""``.keras`` archives (Keras 2.12 and later): a zip with config.json and metadata.json."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import BinaryIO

import msgspec

from opcheck.errors import RefusedModelError, UnreadableModelError
from opcheck.loading.hdf5 import weights_hazards
from opcheck.loading.hdf5_library import ask_archive
from opcheck.loading.jsontree import MAX_BYTES, JsonObject, parse_object
from opcheck.loading.stored import StoredModel, model_from_config

MAX_MEMBERS = 10_000
MAX_READ = 4 * 2**20  # bytes at once: the archive's directory is read in one piece
_BLOCK = 2**20
MAX_RATIO = 200  # deflate reaches 1000 on zeros; weights and configs stay below 20


def read_keras_archive(file: BinaryIO, path: str) -> StoredModel:
    """Read the config of a ``.keras`` archive; nothing is extracted.

    Raises UnreadableModelError when it is damaged or another kind of zip, RefusedModelError when
    its member names or sizes are those of an attack.
    """
    try:
        with zipfile.ZipFile(_Bounded(file, path)) as archive:
            members = _checked(archive, path)
            if "config.json" not in members:
                raise _other_zip(path, members)
            config = _read(archive, members["config.json"], path)
            metadata: JsonObject = {}
            if "metadata.json" in members:
                metadata = parse_object(
                    _read(archive, members["metadata.json"], path), f"metadata.json in {path}"
                )
    except (UnreadableModelError, RefusedModelError):
        raise
    except Exception as error:  # zipfile raises many types on damaged archives
        detail = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise UnreadableModelError(
            f"{path} begins like a zip archive but is damaged or cut short ({detail}).",
            hint="Copy or download it again.",
        ) from None
    version = metadata.get("keras_version")
    root = parse_object(config, f"config.json in {path}")
    training = root.pop("compile_config", None)
    stored = model_from_config(
        root,
        training=training if isinstance(training, dict) and training else None,
        keras_version=version if isinstance(version, str) else None,
        backend=None,
        path=path,
    )
    hazards = weights_hazards(ask_archive(file), path)
    return msgspec.structs.replace(stored, hazards=stored.hazards + hazards)


class _Bounded(io.BufferedIOBase):
    """A file of which no more is read at once than `MAX_READ`, whatever the archive claims."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file, self._path = file, path

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = MAX_READ + 1 if size is None or size < 0 else size
        data = self._file.read(wanted) if wanted <= MAX_READ + 1 else None
        if data is None or len(data) > MAX_READ:
            raise RefusedModelError(
                f"{self._path} is an archive whose directory is larger than {MAX_READ >> 20} MB."
            )
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _checked(archive: zipfile.ZipFile, path: str) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    if len(archive.infolist()) > MAX_MEMBERS:
        raise RefusedModelError(f"{path} is an archive of more than {MAX_MEMBERS} files.")
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
            raise RefusedModelError(f"{path} is an archive with the unsafe name {info.filename!r}.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise RefusedModelError(f"{path} is an archive with the link {info.filename!r}.")
        if not name.isprintable():
            raise RefusedModelError(f"{path} is an archive with the unsafe name {info.filename!r}.")
        if name in members:
            raise RefusedModelError(f"{path} is an archive with {info.filename!r} twice.")
        if info.file_size > max(info.compress_size, 1) * MAX_RATIO and info.file_size > 2**20:
            raise RefusedModelError(f"{path} is an archive in which {info.filename!r} is a bomb.")
        members[name] = info
    return members


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> bytes:
    if info.flag_bits & 1:
        raise UnreadableModelError(f"{path} is an encrypted archive.")
    data = bytearray()
    with archive.open(info) as member:
        while block := member.read(_BLOCK):
            data += block
            if len(data) > MAX_BYTES:  # whatever size the header claims
                size = f"larger than {MAX_BYTES >> 20} MB"
                raise UnreadableModelError(f"{info.filename} in {path} is {size}.")
    return bytes(data)


def _other_zip(path: str, members: dict[str, zipfile.ZipInfo]) -> UnreadableModelError:
    names = set(members)
    if any(name.endswith(("/data.pkl", "data.pkl")) for name in names):
        return UnreadableModelError(
            f"{path} is a PyTorch checkpoint, not a Keras model.",
            hint="opcheck reads Keras .keras and .h5 files, SavedModel folders and frozen graphs.",
        )
    inside = [n for n in names if n.endswith((".h5", ".keras", "saved_model.pb", "config.json"))]
    hint = f"Unpack it and check {min(inside)} instead." if inside else None
    return UnreadableModelError(f"{path} is a zip archive, but not a .keras model.", hint=hint)
