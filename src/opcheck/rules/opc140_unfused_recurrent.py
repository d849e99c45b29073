"""OPC140."""

from __future__ import annotations

from collections.abc import Iterator

from opcheck.fixes import off_the_fused_path
from opcheck.rules.base import Rule
from opcheck.rules.fingerprints import fingerprint
from opcheck.rules.layer_configs import layer_configs
from opcheck.rules.types import Finding, Subject

_KERNELS = ("CudnnRNNV3", "CudnnRNN")
_NEEDED = {
    "activation": 'activation="tanh"',
    "recurrent_activation": 'recurrent_activation="sigmoid"',
    "recurrent_dropout": "recurrent_dropout=0",
    "unroll": "unroll=False",
    "use_bias": "use_bias=True",
    "reset_after": "reset_after=True",
}


class UnfusedRecurrent(Rule):
    """A recurrent layer does not take the fused kernel.

    ## What it does
    Where the accelerator has the fused kernel (`CudnnRNNV3`), names the argument of each LSTM and
    GRU that keeps Keras from using it.

    ## Why it matters
    The fused kernel computes the whole sequence at once. Without it the layer is a loop of small
    ops, and on tensorflow-metal the loop's lists (`TensorList...`) live on the CPU: each time step
    is copied there and back.

    ## What to do
    Use the arguments that are named. `unroll` changes nothing but the speed, and `opcheck fix` sets
    it; another activation, a recurrent dropout or `reset_after` is another layer, to be trained
    again.

    ## Source
    keras/layers/rnn/lstm.py and gru.py (`_could_use_gpu_kernel`),
    keras/src/backend/tensorflow/rnn.py (`cudnn_ok`); tensorflow#62397.
    """

    code = "OPC140"

    def check(self, subject: Subject) -> Iterator[Finding]:
        target = subject.target
        if not any(target.registry.has_op(op, target.device_type) for op in _KERNELS):
            return
        for path, (class_name, config) in layer_configs(subject.source.architecture).items():
            causes = off_the_fused_path(class_name, config) if class_name in ("LSTM", "GRU") else ()
            if not causes:
                continue
            needed = ", ".join(_NEEDED[cause] for cause in causes)
            yield Finding(
                code=self.code,
                severity="warning",
                message=f"{class_name} does not take the fused kernel, because of "
                f"{' and '.join(causes)}.",
                layer=path,
                ops=(),
                reason=None,
                fix=f"With {needed} it does.",
                fingerprint=fingerprint(self.code, target.plugin, subject.stable(path), *causes),
            )
