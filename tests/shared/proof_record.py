"""What `tests/extract/registry_proof.py` records: that the shipped registries are complete."""

from __future__ import annotations

from pathlib import Path

import msgspec

RECORD = Path(__file__).parents[1] / "extract" / "registry_proof.json"


class Stopped(msgspec.Struct, frozen=True):
    """An initializer that did not run to its end; the functions that its code can come to, and
    their instructions. The kernel builder is not among them."""

    initializer: str
    reason: str
    functions: int
    instructions: int


class LibraryProof(msgspec.Struct, frozen=True):
    """``calls`` of the kernel registrar are in the code and are for when the library is loaded;
    each of them was run, once, and made one of the ``kernels``. ``calls_later`` are the others, by
    the function they are in."""

    member: str
    initializers: int
    calls: int
    kernels: int
    calls_later: dict[str, int]
    abandoned: tuple[Stopped, ...]


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of one row of the manifest.

    ``data`` is the sha256 of the file that was recovered. A build for macOS has ``libraries``;
    ``not_loaded`` are further libraries of its wheel that name the registrar or the C API's.
    ``links`` are the rows of the plugins that find in it all that they ask of a TensorFlow.
    ``live`` is how many kernels a TensorFlow that was installed and run has: the same ones.
    """

    wheel: str
    sha256: str
    data: str
    kernels: int
    libraries: tuple[LibraryProof, ...] = ()
    not_loaded: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    live: int | None = None


def recorded() -> dict[str, Proof]:
    """By the row's name."""
    if not RECORD.exists():
        return {}
    return msgspec.json.decode(RECORD.read_bytes(), type=dict[str, Proof])


def record(proofs: dict[str, Proof]) -> None:
    """Replaces the record."""
    ordered = dict(sorted(proofs.items()))
    text = msgspec.json.format(msgspec.json.encode(ordered), indent=2).decode()
    RECORD.write_text(text + "\n", encoding="utf-8")
