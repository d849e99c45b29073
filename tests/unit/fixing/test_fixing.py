"""What is put in place, with the TensorFlow process and the check of the files replaced."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from opcheck import fixing
from opcheck.config import Options
from opcheck.errors import CannotFixError
from opcheck.loading.types import ModelSource
from opcheck.report import Report
from opcheck.worker.protocol import FixReply, FixRequest, RewrittenLayer

LAYER = RewrittenLayer("volume", "Conv3D", "conv-3d-by-2d")
MODEL = RewrittenLayer("", "Functional", "jit-compile-off")
BEFORE = {"fails": 1, "matter": 2, "leave": 5}


def counting(report: Report, counts: dict[str, int]) -> Report:
    """A report whose one result has these ``counts``."""
    result = report.results[0]
    summary = msgspec.structs.replace(result.summary, **counts)
    result = msgspec.structs.replace(result, summary=summary)
    return msgspec.structs.replace(report, results=(result,))


@pytest.mark.parametrize(
    ("after", "changed", "better"),
    [
        ({"fails": 0, "matter": 9, "leave": 9}, (LAYER,), True),
        ({"fails": 1, "matter": 1, "leave": 9}, (LAYER,), True),
        ({"fails": 1, "matter": 2, "leave": 4}, (LAYER,), True),
        (BEFORE, (LAYER,), False),
        (BEFORE, (MODEL, LAYER), True),
        ({"fails": 1, "matter": 2, "leave": 6}, (LAYER,), False),
    ],
)
def test_only_what_is_better_is_written(
    after: dict[str, int],
    changed: tuple[RewrittenLayer, ...],
    better: bool,
    report: Report,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """``jit-compile-off`` moves no op."""
    source = ModelSource("m.h5", "hdf5", "00" * 32, "2.10.0", None, (), ())
    reports = iter((counting(report, BEFORE), counting(report, after)))

    def rewrite(request: FixRequest, **_: object) -> FixReply:
        Path(request.output).write_text("rewritten")
        return FixReply(changed, (), 0.0, 0.0)

    monkeypatch.setattr("opcheck.loading.read", lambda _: source)
    monkeypatch.setattr("opcheck.pipeline.check", lambda *_: next(reports))
    monkeypatch.setattr("opcheck.worker.fix", rewrite)
    output = tmp_path / "fixed.h5"
    arguments = ("m.h5", "metal@1.2.0", str(output), Options(), lambda _: None)
    if better:
        assert fixing.fix(*arguments).reply.changed == changed
        assert output.read_text() == "rewritten"
    else:
        with pytest.raises(CannotFixError, match="no better"):
            fixing.fix(*arguments)
        assert list(tmp_path.iterdir()) == []
