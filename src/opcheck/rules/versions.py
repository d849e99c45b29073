"""Does the stack that traced the graph match the one the target runs beside?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

if TYPE_CHECKING:
    from opcheck.targets import Target
    from opcheck.worker.protocol import WorkerEnvironment


class Mismatch(msgspec.Struct, frozen=True):
    """``target`` runs beside ``supported`` versions of ``package``; another one ``traced``."""

    target: str
    package: str
    traced: str
    supported: str

    @property
    def message(self) -> str:
        return (
            f"This graph was traced with {self.package} {self.traced}, but {self.target} runs "
            f"beside {self.package} {self.supported}: the op sets may differ."
        )


def mismatches(environment: WorkerEnvironment, target: Target) -> tuple[Mismatch, ...]:
    """Each package whose version here is not one that the target runs beside.

    Keras 2 (as tf_keras) can be installed beside every TensorFlow that brings Keras 3, so only a
    Keras newer than the target's is a mismatch.
    """
    found: list[Mismatch] = []
    supported = target.tensorflow_supported
    if not any(
        SpecifierSet(s).contains(environment.tensorflow, prereleases=True) for s in supported
    ):
        words = supported_words(supported)
        found.append(Mismatch(target.label, "TensorFlow", environment.tensorflow, words))
    if environment.keras and Version(environment.keras).major > target.keras_major:
        found.append(Mismatch(target.label, "Keras", environment.keras, str(target.keras_major)))
    return tuple(found)


def emulated_beside(environment: WorkerEnvironment, target: Target) -> str | None:
    """A sentence on a run on an emulated device beside another minor TensorFlow than its kernels'.

    Only where the target supports that one as well: `mismatches` tells of the others.
    """
    here, core = Version(environment.tensorflow), Version(target.tensorflow)
    if environment.emulated is None or here.release[:2] == core.release[:2]:
        return None
    if any(mismatch.package == "TensorFlow" for mismatch in mismatches(environment, target)):
        return None
    return (
        f"{target.label} was emulated beside TensorFlow {here}, with the kernels that it has "
        f"beside {core}: the op sets may differ."
    )


def supported_words(specifiers: tuple[str, ...]) -> str:
    """``2.18 or 2.19`` for ``==2.18.*`` and ``==2.19.*``; any of them will do."""
    versions = [s.removeprefix("==").removesuffix(".*") for s in specifiers]
    return " or ".join(filter(None, (", ".join(versions[:-1]), *versions[-1:])))
