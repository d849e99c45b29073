"""Many models, one report each: what ``opcheck scan`` found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import msgspec

from opcheck.report.types import Report, Tool

_MODEL_FILES = (".h5", ".hdf5", ".keras")
_GRAPH = ".pb"
_SAVED_MODEL = "saved_model.pb"


class Scanned(msgspec.Struct, frozen=True):
    """One model: its report, or the error that says why there is none."""

    path: str
    report: Report | None
    error: str | None

    @property
    def exit_code(self) -> int:
        return 2 if self.report is None else self.report.verdict.exit_code


class Scan(msgspec.Struct, frozen=True):
    """``models`` in the order in which they were found."""

    schema_version: str
    tool: Tool
    models: tuple[Scanned, ...]

    @property
    def exit_code(self) -> int:
        """The worst: 2 (something could not be checked), then 1, then 0. Nothing found is 2."""
        return max((model.exit_code for model in self.models), default=2)


def find(paths: Iterable[str], exclude: Iterable[str] = ()) -> dict[str, OSError | None]:
    """The models that are named, and those in the folders that are; with its error, a folder that
    cannot be read.

    A folder is searched for .h5, .hdf5, .keras and .pb files and SavedModel folders; links to
    folders and hidden folders are not followed. What is named is taken as it is, model or not.
    ``exclude`` are shell patterns of paths or names to leave out.
    """
    patterns = tuple(exclude)
    found: dict[str, OSError | None] = {}
    for path in paths:
        folder = Path(path)
        inside = _inside(folder) if _is_searched(folder) else ((path, None),)
        for model, error in inside:
            name = Path(model).name
            if not any(fnmatch(model, pattern) or fnmatch(name, pattern) for pattern in patterns):
                found[model] = error
    return found


def _inside(folder: Path) -> Iterator[tuple[str, OSError | None]]:
    unread: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=unread.append):
        here = Path(place)
        saved = sorted(name for name in folders if _is_saved_model(here / name))
        yield from ((str(here / name), None) for name in saved)
        folders[:] = sorted(n for n in folders if n not in saved and not n.startswith("."))
        yield from (
            (str(here / name), None)
            for name in sorted(files)
            if name.lower().endswith((*_MODEL_FILES, _GRAPH))
        )
    yield from ((error.filename, error) for error in unread)


def _is_searched(folder: Path) -> bool:
    try:
        return folder.is_dir() and not _is_saved_model(folder)
    except OSError:  # as what is named it is checked, which says why it cannot be read
        return False


def _is_saved_model(folder: Path) -> bool:
    try:
        return (folder / _SAVED_MODEL).is_file()
    except OSError:  # then the folder cannot be searched either, which is said there
        return False
