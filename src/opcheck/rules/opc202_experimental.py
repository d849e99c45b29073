"""OPC202."""

from __future__ import annotations

from collections.abc import Iterator

from opcheck.graph import LayerNode
from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.types import Finding, Severity, Subject

MOVED_TO = {
    "CategoryCrossing": "keras.layers.HashedCrossing",
    "CategoryEncoding": "keras.layers.CategoryEncoding",
    "CenterCrop": "keras.layers.CenterCrop",
    "Discretization": "keras.layers.Discretization",
    "EinsumDense": "keras.layers.EinsumDense",
    "HashedCrossing": "keras.layers.HashedCrossing",
    "Hashing": "keras.layers.Hashing",
    "IntegerLookup": "keras.layers.IntegerLookup",
    "Normalization": "keras.layers.Normalization",
    "RandomContrast": "keras.layers.RandomContrast",
    "RandomCrop": "keras.layers.RandomCrop",
    "RandomFlip": "keras.layers.RandomFlip",
    "RandomRotation": "keras.layers.RandomRotation",
    "RandomTranslation": "keras.layers.RandomTranslation",
    "RandomZoom": "keras.layers.RandomZoom",
    "Rescaling": "keras.layers.Rescaling",
    "Resizing": "keras.layers.Resizing",
    "StringLookup": "keras.layers.StringLookup",
    "SyncBatchNormalization": "keras.layers.BatchNormalization(synchronized=True)",
    "TextVectorization": "keras.layers.TextVectorization",
}
"""Class name -> where what was experimental lives now."""

REMOVED = {
    "PeepholeLSTMCell": "It moved to TensorFlow Addons and has no successor in Keras.",
    "RandomFourierFeatures": "It was removed with Keras 3.",
    "RandomHeight": "It was removed with Keras 3.",
    "RandomWidth": "It was removed with Keras 3.",
    "SequenceFeatures": "It was removed with Keras 3.",
    "LinearModel": "It was removed with Keras 3.",
    "WideDeepModel": "It was removed with Keras 3.",
}
"""Class name -> what became of it."""


class Experimental(Rule):
    """A layer from an experimental namespace.

    ## What it does
    Reports layers of `keras.layers.experimental` (and its `preprocessing`), of
    `tf.keras.experimental`, and preprocessing layers written at the time when they lived there,
    with their place today.

    ## Why it matters
    The namespaces are gone from later versions, so code that builds the model stops with "module
    'keras.layers' has no attribute 'experimental'", and a target whose Keras is newer than the
    file's may not open it. A layer that was removed ties the model to an old TensorFlow.

    ## What to do
    Import the layer from where the message says and save the model again.

    ## Source
    tensorflow#56889; the release notes of TensorFlow 2.6 and of Keras 3.
    """

    code = "OPC202"

    def check(self, subject: Subject) -> Iterator[Finding]:
        for layer in subject.layers:
            if layer.kind != "experimental":
                continue
            severity, fix = _advice(layer)
            home = f"{layer.module}.{layer.class_name}" if layer.module else layer.class_name
            yield Finding(
                code=self.code,
                severity=severity,
                message=f"{home} is, or was when this file was written, an experimental layer.",
                layer=layer.path,
                ops=(),
                reason=None,
                fix=fix,
                fingerprint=fingerprint(
                    self.code, None, subject.stable(layer.path), layer.class_name
                ),
            )


def _advice(layer: LayerNode) -> tuple[Severity, str]:
    if layer.class_name in MOVED_TO:
        return (
            "note",
            f"It moved to {MOVED_TO[layer.class_name]}: import it from there and save again.",
        )
    gone = REMOVED.get(layer.class_name, "opcheck knows of no stable place for it.")
    return "warning", f"{gone} Replace the layer."
