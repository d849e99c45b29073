"""The emulated device on this TensorFlow: what it is, that it computes, and where ops are put.

A process can hold one target, and only before TensorFlow's devices start: everything runs in
processes of its own. A compiler must be there; without one these tests fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from opcheck.confine import environment
from opcheck.graph import flatten
from opcheck.loading import read
from opcheck.placement import ReconcileResult, predict, reconcile
from opcheck.targets import resolve
from opcheck.worker.answer import answer
from opcheck.worker.protocol import TracedStep, WorkerReply, WorkerRequest

from .conftest import BATCH, BATCH_SIZE, FIXTURES, TENSORFLOW

TARGET = "directml@0.4.0" if TENSORFLOW == (2, 10) else "metal@1.2.0"
ENDING = {(2, 10): "k2.10.h5", (2, 15): "k2.15.keras"}.get(TENSORFLOW, "k3.15.keras")
MODELS = (
    "augmentation",
    "cnn3d",
    "mixed_precision",
    "mnist_cnn",
    "mobilenet_v2",
    "rnn_cells",
    "text_classifier",
    "transformer_block",
)
FILES = [f"{model}-{ENDING}" for model in MODELS]

# What a user of that plugin gets, in TensorFlow's words.
FAILS = {"text_classifier-k2.10.h5": "No OpKernel was registered to support Op 'CudnnRNN'"}

REGISTRY = """
import sys
import tensorflow as tf
from tensorflow.python.framework import dtypes, kernels
from opcheck import emulator
from opcheck.targets import resolve

target = resolve(sys.argv[1])
plan = emulator.load(target)
print(*[f"{d.device_type}" for d in tf.config.list_logical_devices()])
print(len(plan.left_out))

def shape(op, constraints, host, priority, label):
    allowed = frozenset((attr, frozenset(values)) for attr, values in constraints)
    return op, allowed, frozenset(host), priority, label

def values(allowed):
    return [*(dtypes.as_dtype(t).name for t in allowed.type), *(s.decode() for s in allowed.s),
            *map(str, allowed.i), *(str(b).lower() for b in allowed.b)]

for device in ("GPU", "DEFAULT"):
    live = [
        shape(k.op, [(c.name, values(c.allowed_values.list)) for c in k.constraint],
              k.host_memory_arg, k.priority, k.label)
        for k in kernels.get_all_registered_kernels().kernel if k.device_type == device
    ]
    wanted = {
        shape(k.op, k.constraints, k.host_memory, k.priority, k.label)
        for op in target.registry.ops() for k in target.registry.kernels(op, device)
    }
    print(len(live) - len(set(live)), len(set(live) - wanted), len(wanted - set(live)))
"""


def run(cache: Path, code: str, *arguments: str) -> list[str]:
    ours = {"OPCHECK_CACHE_DIR": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(os.environ) | ours,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.fixture(scope="session")
def replies(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, WorkerReply]:
    """Both steps of every model on the emulated device, in one process."""
    folder = tmp_path_factory.mktemp("emulated")
    folders = {name: folder / name for name in FILES}
    for name, private in folders.items():
        private.mkdir()
        source = read(str(FIXTURES / name))
        request = WorkerRequest(
            source, ("inference", "training"), batch_size=BATCH_SIZE, emulate=TARGET
        )
        (private / "request.json").write_bytes(msgspec.json.encode(request))
    with (folder / "output").open("wb") as output:
        subprocess.run(
            [sys.executable, str(BATCH), *map(str, folders.values())],
            env=environment(os.environ) | {"OPCHECK_CACHE_DIR": str(cache)},
            stdout=output,
            stderr=output,
            check=True,
        )
    return {name: answer(private, 0, WorkerReply) for name, private in folders.items()}


def test_the_kernels_are_the_targets(cache: Path) -> None:
    devices, left_out, *differences = run(cache, REGISTRY, TARGET)
    assert devices == "CPU GPU"
    for line in differences:
        duplicates, surplus, missing = map(int, line.split())
        assert (duplicates, surplus) == (0, 0)
        assert missing <= int(left_out) <= 3  # ops that this TensorFlow does not know


@pytest.mark.parametrize("step", [0, 1], ids=["inference", "training"])
@pytest.mark.parametrize("name", [name for name in FILES if name not in FAILS])
def test_the_prediction_is_what_the_placer_does(
    name: str, step: int, replies: dict[str, WorkerReply]
) -> None:
    reply = replies[name]
    assert reply.environment.emulated == TARGET
    assert reply.steps[step].error is None
    result = compare(reply, reply.steps[step])
    assert result.disagreements == ()
    assert (result.only_in_graph, result.only_in_trace) == ((), ())
    assert {placement.evidence for placement in result.placements} == {"emulated"}
    assert "accelerator" in {placement.verdict for placement in result.placements}


def test_what_fails_fails_in_tensorflows_words(replies: dict[str, WorkerReply]) -> None:
    """On DirectML, whose plugin has no CudnnRNN; nothing of these models fails on Metal."""
    for name in set(FILES) & set(FAILS):
        for step in replies[name].steps:
            assert FAILS[name] in (step.error or "")
            verdicts = {placement.verdict for placement in compare(replies[name], step).placements}
            assert "fails" in verdicts


def compare(reply: WorkerReply, step: TracedStep) -> ReconcileResult:
    """With the rules of the placer that runs here, whatever version the target is of."""
    assert step.graph is not None
    assert step.executed_graph is None  # Keras saw the accelerator, so nothing was traced twice
    target = msgspec.structs.replace(resolve(TARGET), tensorflow=reply.environment.tensorflow)
    graph = flatten(step.graph, name=step.step, layers=reply.layers, device_type="GPU")
    return reconcile(
        graph, predict(graph, target), step.placements, device_type="GPU", evidence="emulated"
    )


def test_a_second_target_is_refused(cache: Path) -> None:
    code = """
import sys
from opcheck import emulator
from opcheck.errors import EmulatorError
from opcheck.targets import resolve
emulator.load(resolve(sys.argv[1]))
emulator.load(resolve(sys.argv[1]))
try:
    emulator.load(resolve(sys.argv[2]))
except EmulatorError as error:
    print(error.slug)
"""
    other = "metal@1.2.0,macos=12" if TARGET.startswith("metal") else "metal@1.2.0"
    assert run(cache, code, TARGET, other) == ["emulator-failed"]


def test_devices_that_have_started_are_refused(cache: Path) -> None:
    code = """
import sys
import tensorflow as tf
from opcheck import emulator
from opcheck.errors import EmulatorError
from opcheck.targets import resolve
tf.constant(1)
try:
    emulator.load(resolve(sys.argv[1]))
except EmulatorError as error:
    print(error)
"""
    (message,) = run(cache, code, TARGET)
    assert "before TensorFlow's devices start" in message


def test_xla_is_refused_as_on_the_target(cache: Path) -> None:
    code = """
import sys
import tensorflow as tf
from opcheck import emulator
from opcheck.targets import resolve
emulator.load(resolve(sys.argv[1]))
try:
    tf.function(lambda x: x + x, jit_compile=True)(tf.ones([2]))
except tf.errors.UnimplementedError as error:
    print(str(error).partition(":")[0])
"""
    platform = resolve(TARGET).platform
    assert run(cache, code, TARGET) == [f"Could not find compiler for platform {platform}"]


def test_without_soft_placement_only_what_is_asked_for_by_name_is_refused(cache: Path) -> None:
    """As `predict(..., soft_placement=False)` says it of the same graphs."""
    code = """
import sys
import tensorflow as tf
from opcheck import emulator
from opcheck.graph import flatten
from opcheck.placement import predict
from opcheck.targets import resolve
from opcheck.worker.raw_graph import raw_graph
target = resolve(sys.argv[1])
emulator.load(target)
tf.config.set_soft_device_placement(False)

def free(x):
    return tf.nn.relu(tf.einsum("ab,bc->ac", x, x))

def named(x):
    with tf.device("/GPU:0"):
        return free(x)

def tied(x):
    anchor = tf.nn.relu(x)
    with tf.device("/GPU:0"):
        anchor = tf.nn.relu(x)
    with tf.compat.v1.colocate_with(anchor):
        return free(x)

for function in (free, named, tied):
    # A graph made with soft placement on keeps what was asked for; the placer decides at the call.
    concrete = tf.function(function).get_concrete_function(tf.TensorSpec([2, 2]))
    graph = flatten(raw_graph(concrete), name="f", layers=(), device_type="GPU")
    said = {p.verdict for p in predict(graph, target, soft_placement=False)}
    try:
        concrete(tf.ones([2, 2]))
        refused = False
    except tf.errors.InvalidArgumentError:
        refused = True
    print(function.__name__, refused, "fails" in said)
"""
    assert run(cache, code, TARGET) == [
        "free False False",
        "named True True",
        "tied True True",
    ]


def test_errors_in_a_kernel_are_tensorflows_and_the_device_goes_on(cache: Path) -> None:
    code = """
import sys
import tensorflow as tf
from opcheck import emulator
from opcheck.targets import resolve
emulator.load(resolve(sys.argv[1]))

def attempt(kernel, argument):
    with tf.device("/GPU:0"):
        for run in (kernel, tf.function(kernel)):
            try:
                run(tf.constant(argument))
            except tf.errors.OpError as error:
                print(type(error).__name__, "[0] = 7" in error.message, "OOM" in error.message)

attempt(lambda indices: tf.gather(tf.ones([3]), indices), [7])
attempt(lambda dims: tf.raw_ops.Fill(dims=dims, value=1.0), [1 << 30, 1 << 20])
with tf.device("/GPU:0"):
    total = tf.function(lambda x: tf.reduce_sum(x @ x))(tf.ones([4, 4]))
print(total.device.rpartition("device:")[2], float(total))
"""
    assert run(cache, code, TARGET) == [
        *["InvalidArgumentError True False"] * 2,
        *["ResourceExhaustedError False True"] * 2,
        "GPU:0 64.0",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("platform METAL\ndevice GPU\nadd MatMul", "not a line of a registry: add MatMul"),
        ("platform METAL", "names no platform or no device"),
        (None, "names no readable file"),
    ],
)
def test_a_wrong_registry_gives_no_device(
    text: str | None, said: str, cache: Path, tmp_path: Path
) -> None:
    code = """
import os, sys
import tensorflow as tf
from tensorflow.python.framework.load_library import load_pluggable_device_library
from opcheck.cache import cache_dir
from opcheck.emulator.build import build
os.environ["OPCHECK_EMULATOR_REGISTRY"] = sys.argv[1]
os.dup2(1, 2)
load_pluggable_device_library(str(build(cache_dir())))
print([device.device_type for device in tf.config.list_physical_devices()], float(tf.ones([])))
"""
    registry = tmp_path / "registry"
    if text is not None:
        registry.write_text(text)
    words = [line for line in run(cache, code, str(registry)) if "I0000" not in line]
    assert said in words[0]
    assert words[-1] == "['CPU'] 1.0"
