"""Records of long runs: a JSON file with what each TensorFlow and target gave."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

Result = TypeVar("Result")


class Record(msgspec.Struct, Generic[Result], frozen=True):
    """By model or fixture. ``date`` is that of the last result."""

    tensorflow: str
    keras: str
    target: str
    date: str
    results: dict[str, Result]


class RecordFile(Generic[Result]):
    """Kept whole: what is written takes the place of the old file at once."""

    def __init__(self, path: Path, result: type[Result]) -> None:
        self.path = path
        self._type = list[Record[result]]  # type: ignore[valid-type]

    def read(self) -> list[Record[Result]]:
        if not self.path.exists():
            return []
        records: list[Record[Result]] = msgspec.json.decode(self.path.read_bytes(), type=self._type)
        return records

    def known(self, tensorflow: str, target: str) -> dict[str, Result]:
        return next(
            (r.results for r in self.read() if (r.tensorflow, r.target) == (tensorflow, target)), {}
        )

    def write(
        self, tensorflow: str, keras: str, target: str, results: Mapping[str, Result]
    ) -> None:
        """In place of what is there of that TensorFlow and target."""
        today = datetime.date.today().isoformat()
        record = Record(tensorflow, keras, target, today, dict(sorted(results.items())))
        others = [r for r in self.read() if (r.tensorflow, r.target) != (tensorflow, target)]
        records = sorted([*others, record], key=lambda r: (r.tensorflow, r.target))
        partial = self.path.with_suffix(".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(records), indent=1) + b"\n")
        partial.replace(self.path)
