"""Says what a file or folder is when it is not a model that opcheck reads."""

from __future__ import annotations

import errno
import os
import re
import stat
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from opcheck.errors import UnreadableModelError

READABLE = "opcheck reads Keras .keras and .h5 files, SavedModel folders and frozen graphs (.pb)."
_WHOLE = "Save the whole model with model.save(...), or give package.module:build_model."
_MOST_NAMES = 5000  # of a folder that are looked through for a misspelt one
_SSTABLE_MAGIC = bytes.fromhex("57fb808b247547db")  # ends every TensorFlow checkpoint index

# (pattern of the first bytes, what it is, hint)
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (rb"version https://git-lfs", "a git-lfs pointer, not the file itself", "Run: git lfs pull"),
    (rb"(?is)\s*(<!doctype|<html|<\?xml|<head)", "a web page or XML", "Download the model again."),
    (rb"(?s).{4}TFL3", "a TensorFlow Lite model", READABLE),
    (rb"(?s)\x08[\x03-\x1f](\x12.(?=[\x20-\x7e])|:|\x1a)", "an ONNX model", READABLE),
    (rb"\x80[\x02-\x05]", "a Python pickle, which opcheck never loads", _WHOLE),
    (rb"\x93NUMPY", "a NumPy array", _WHOLE),
    (rb"\x1f\x8b", "a gzip archive", "Unpack it first."),
    (rb"(?s).{257}ustar", "a tar archive", "Unpack it first."),
    (rb"PK\x05\x06", "an empty zip archive", READABLE),
    (rb"GGUF", "a GGUF model", READABLE),
    (rb"(?s).{4}\x00{4}\{\"", "a safetensors file, which holds only weights", _WHOLE),
    (rb"(model_checkpoint_path|all_model_)", "the index of TensorFlow checkpoints", _WHOLE),
    (
        rb"(?s)\s*(node|versions|library) ?\{",
        "a graph in text form",
        "Write it as binary GraphDef.",
    ),
    (rb"(?s)\s*saved_model_schema_version", "a SavedModel in text form", READABLE),
    (rb"(?s)(backend|class_name): ", "the architecture of a model without its weights", _WHOLE),
    (rb"\x7fELF|MZ|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe", "a program or library", READABLE),
    (rb"(import|from) \w|#!", "a program text", "Give package.module:build_model to check it."),
)


def missing(spec: str, error: OSError | ValueError) -> UnreadableModelError:
    """For a path that cannot be looked at or opened."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return UnreadableModelError(f"{spec} may not be read: permission denied.")
    if number == errno.ELOOP:
        return UnreadableModelError(f"{spec} is a symbolic link that leads back to itself.")
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, None):
        if number == errno.ENOENT and Path(f"{spec}.index").is_file():
            return _checkpoint(spec)
        if number == errno.ENOENT and Path(spec).is_symlink():
            return UnreadableModelError(f"{spec} is a symbolic link to nothing.")
        hint = "Give a model file, a SavedModel folder or package.module:build_model."
        near = _beside(Path(spec)) if number == errno.ENOENT else None
        hint = f"Did you mean {near}?" if near else hint
        return UnreadableModelError(f"{spec} does not exist.", hint=hint)
    return UnreadableModelError(f"{spec} cannot be read ({os.strerror(number or 0)}).")


def _beside(path: Path) -> Path | None:
    """A file or folder there with nearly that name."""
    try:
        names = [entry.name for entry in islice(os.scandir(path.parent), _MOST_NAMES)]
    except OSError:
        return None
    near = get_close_matches(path.name, names, n=1, cutoff=0.8)
    return path.with_name(near[0]) if near else None


def special(spec: str, mode: int) -> UnreadableModelError:
    """For what is neither a file nor a folder."""
    kinds = ((stat.S_ISFIFO, "a fifo"), (stat.S_ISSOCK, "a socket"))
    what = next((name for test, name in kinds if test(mode)), "a device")
    return UnreadableModelError(f"{spec} is {what}, not a model file.", hint=READABLE)


def file(spec: str, head: bytes, tail: bytes) -> UnreadableModelError:
    """For a file whose first (and last) bytes are those of no format that opcheck reads."""
    name = Path(spec).name
    if not head:
        return UnreadableModelError(f"{spec} is an empty file.", hint="Copy or save it again.")
    if tail.endswith(_SSTABLE_MAGIC) or re.search(r"\.data-\d{5}-of-\d{5}$", name):
        return _checkpoint(spec)
    if head.lstrip()[:1] in (b"{", b"["):
        return _json(spec, head)
    for pattern, what, hint in _SIGNATURES:
        if re.match(pattern, head):
            return UnreadableModelError(f"{spec} is {what}.", hint=hint)
    if not head.strip(b"\0"):
        return UnreadableModelError(f"{spec} holds only zeros.", hint="Copy or save it again.")
    what = "a text file" if _is_text(head) else "not a model file"
    return UnreadableModelError(f"{spec} is {what}.", hint=READABLE)


def folder(spec: str, path: Path) -> UnreadableModelError:
    """For a folder without saved_model.pb."""
    try:
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry, _ in zip(entries, range(1000), strict=False))
    except OSError as error:
        return missing(spec, error)
    if not names:
        return UnreadableModelError(f"{spec} is an empty folder.", hint=READABLE)
    if "saved_model.pbtxt" in names:
        return UnreadableModelError(
            f"{spec} is a SavedModel in text form.", hint="Save it again as binary."
        )
    if "checkpoint" in names or any(name.endswith(".index") for name in names):
        return _checkpoint(spec)
    if {"config.json", "metadata.json"} <= set(names):
        return UnreadableModelError(
            f"{spec} is an unpacked .keras archive.", hint="Give the .keras file itself."
        )
    inside = [n for n in names if n.endswith((".keras", ".h5", ".hdf5"))]
    inside += [n for n in names if (path / n / "saved_model.pb").is_file()]
    if inside:
        hint = f"Give one model: {Path(spec) / inside[0]}"
        return UnreadableModelError(f"{spec} is a folder with models in it.", hint=hint)
    return UnreadableModelError(
        f"{spec} is a folder, but no SavedModel: it has no saved_model.pb.", hint=READABLE
    )


def _checkpoint(spec: str) -> UnreadableModelError:
    return UnreadableModelError(
        f"{spec} is a TensorFlow checkpoint: it holds only weights, not the layers of a model.",
        hint=_WHOLE,
    )


def _json(spec: str, head: bytes) -> UnreadableModelError:
    if b'"class_name"' in head and b'"config"' in head:
        return UnreadableModelError(
            f"{spec} is only the architecture of a model as JSON, the text of model.to_json().",
            hint="Save the whole model: keras.models.model_from_json(text).save('model.keras').",
        )
    return UnreadableModelError(f"{spec} is JSON, not a model file.", hint=READABLE)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not merely a character cut in two
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c.isspace() for c in text)
