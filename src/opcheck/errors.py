"""Everything opcheck raises on purpose.

    OpcheckError                  exit 2
    |-- CannotCheckError          exit 2   the model could not be checked
    |   |-- UnreadableModelError           not a model file, damaged, or weights only
    |   |-- RefusedModelError              readable, but opening it would run code or is unsafe
    |   |-- BuildError                     Keras could not rebuild the model
    |   |-- WorkerError                    TensorFlow crashed or ran out of memory
    |   |   |-- WorkerTimeoutError         it hung, or the model is too large for the time given
    |   |-- MissingTensorFlowError         no TensorFlow in this environment
    |   |-- EmulatorError                  the emulated accelerator could not be built or loaded
    |-- CannotFixError            exit 2   nothing to rewrite, or the numbers were not the same
    |-- UnknownTargetError        exit 2   no registry for that plugin or version
    |-- CaptureError              exit 2   no accelerator plugin here whose kernels could be taken
    |-- ExtractError              exit 2   a wheel or library is not a plugin we can read
    |-- UsageError                exit 3   wrong option, wrong configuration

Exit codes are part of the public contract (see docs/exit-codes.md). A ``slug`` never
changes once released: scripts and the documentation link to it.
"""

from __future__ import annotations

from typing import ClassVar


class OpcheckError(Exception):
    """A problem a user can act on.

    ``message`` is one sentence that says what is wrong and where; ``hint``, when given, is one
    sentence that says what to do about it. Neither ends in a line break.
    """

    slug: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class CannotCheckError(OpcheckError):
    """The model could not be checked; nothing is known about it."""

    slug = "cannot-check"


class UnreadableModelError(CannotCheckError):
    """The path is no model: missing, empty, damaged, weights only, a checkpoint, ..."""

    slug = "unreadable-model"


class RefusedModelError(CannotCheckError):
    """The file can be read, but what it asks for is not done without the user's consent."""

    slug = "refused-model"


class BuildError(CannotCheckError):
    """Keras could not rebuild the model from the file."""

    slug = "build-failed"


class WorkerError(CannotCheckError):
    """The TensorFlow process crashed, ran out of time or memory, or sent nonsense."""

    slug = "worker-failed"


class WorkerTimeoutError(WorkerError):
    """The TensorFlow process was ended because its time was over."""

    slug = "worker-timeout"


class MissingTensorFlowError(CannotCheckError):
    """TensorFlow cannot be imported here."""

    slug = "no-tensorflow"


class EmulatorError(CannotCheckError):
    """The emulated accelerator could not be built or loaded; predictions need none."""

    slug = "emulator-failed"


class CannotFixError(OpcheckError):
    """``opcheck fix`` found nothing it may rewrite, or its result is not the same; nothing was
    written."""

    slug = "cannot-fix"


class UnknownTargetError(OpcheckError):
    """No kernel registry is known for this plugin or this version of it."""

    slug = "unknown-target"


class CaptureError(OpcheckError):
    """No accelerator plugin is installed here, or TensorFlow cannot load it."""

    slug = "capture-failed"


class ExtractError(OpcheckError):
    """A wheel or library from which no kernel registry can be recovered."""

    slug = "extract-failed"


class UsageError(OpcheckError):
    """A wrong option, argument or configuration value."""

    slug = "usage"
    exit_code = 3
