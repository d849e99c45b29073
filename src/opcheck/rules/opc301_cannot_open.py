"""OPC301."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, Subject

_ARCHIVES_SINCE = Version("2.12")
"""The first TensorFlow whose Keras reads `.keras` archives."""


class CannotOpen(Rule):
    """The target's own Keras cannot open this file.

    ## What it does
    Compares the Keras that wrote the file, and the file's format, with the Keras that belongs to
    the TensorFlow the target runs beside.

    ## Why it matters
    The placements below may all be right, and still the model cannot be used there: Keras 2 does
    not read what Keras 3 wrote, and no Keras before 2.12 reads a `.keras` archive.

    ## What to do
    Save the model with Keras 2 (`tf_keras`, as `.h5` or as a SavedModel), or export it from Keras 3
    as a SavedModel (`model.export`), which needs no Keras to load for inference.

    ## Source
    The plugin's requirements (known versions that go together; `opcheck targets`) and the release
    notes of TensorFlow 2.12 and Keras 3.
    """

    code = "OPC301"

    def check(self, subject: Subject) -> Iterator[Finding]:
        why = _obstacle(subject)
        if why is None:
            return
        yield Finding(
            code=self.code,
            severity="error",
            message=f"{subject.target.label} cannot open this file: {why}",
            layer=None,
            ops=(),
            reason=None,
            fix=(
                "Save it with Keras 2 (tf_keras) as .h5, or export it from Keras 3 as a SavedModel "
                "for inference."
            ),
            fingerprint=fingerprint(self.code, subject.target.plugin),
        )


def _obstacle(subject: Subject) -> str | None:
    source, target = subject.source, subject.target
    if source.format not in ("hdf5", "keras"):
        return None
    wrote = _major(source.keras_version)
    if wrote is not None and wrote > target.keras_major:
        return (
            f"Keras {source.keras_version} wrote it, and TensorFlow {target.tensorflow} there "
            f"comes with Keras {target.keras_major}."
        )
    if source.format == "keras" and Version(target.tensorflow) < _ARCHIVES_SINCE:
        return f".keras archives need TensorFlow 2.12, and it runs beside {target.tensorflow}."
    return None


def _major(version: str | None) -> int | None:
    try:
        return Version(version).major if version else None
    except InvalidVersion:
        return None
