"""Hand-made pieces that the unit tests of rules, report, formats and cli share. No TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import msgspec
import pytest

from opcheck.config import Options
from opcheck.cost import LayerFlow, StepCost, assess
from opcheck.graph import Edge, LayerNode, ModelGraph, OpNode, TensorSpec
from opcheck.graph.types import Shape
from opcheck.loading.types import Hazard, ModelSource
from opcheck.placement import Disagreement, Placement, Reason, ReconcileResult
from opcheck.report import Report, build, gate
from opcheck.rules import PlacedOp, Subject, severities
from opcheck.targets import KernelDef, KernelRegistry, Target
from opcheck.worker.protocol import TracedStep, WorkerEnvironment, WorkerReply

ENVIRONMENT = WorkerEnvironment("3.11.7", "Linux", "x86_64", "2.18.1", "3.6.0", "keras")


RANK_DIFFERS = Disagreement(
    Placement("rank", "accelerator", "predicted", Reason("kernel", "DirectML registers AddV2")),
    Placement("rank", "cpu", "emulated", Reason("emulated", "TensorFlow placed it on CPU")),
)


def make_target(plugin: str) -> Target:
    """A target with the ops that the sample models and the rules' advice name."""
    metal, fork = plugin == "metal", plugin == "tensorflow-directml"
    ops = (
        ()
        if plugin == "plaidml"
        else (
            *("BatchMatMulV2", "MatMul", "Transpose", "Softmax", "Reshape", "Conv2D"),
            *("Relu", "Exp", "Neg", "Mul", "Abs", "Log1p", "StridedSlice", "ConcatV2"),
            *(("CudnnRNNV3", "ResourceApplyAdam", "ResourceApplyKerasMomentum") if metal else ()),
        )
    )
    return Target(
        plugin=plugin,
        version="1.2.0" if metal else "1.15.8" if fork else "0.4.0",
        arch="arm64" if metal else None,
        os_version="13" if metal else None,
        device_type="GPU",
        platform="METAL" if metal else "DML",
        tensorflow="2.18.1" if metal else "1.15.8" if fork else "2.10.0",
        tensorflow_supported=("==2.18.*" if metal else "==1.15.*" if fork else "==2.10.*",),
        keras_major=3 if metal else 2,
        optimizer_switches=(),
        registry=KernelRegistry(KernelDef(op, "GPU", (), (), 0, "", "plugin", ()) for op in ops),
        match="exact",
        provenance=(),
        distribution="tensorflow-metal" if metal else "tensorflow-directml-plugin",
        system="macOS 13+" if metal else "",
    )


def make_op(
    name: str,
    op_type: str,
    verdict: str = "accelerator",
    reason: tuple[str, str] = ("kernel", "registered"),
    *,
    layer: str | None = None,
    role: str = "forward",
    dtypes: dict[str, str | tuple[str, ...]] | None = None,
    shape: Shape = (2, 64),
) -> PlacedOp:
    """An op with one input and one output of the same shape."""
    dtypes = {"T": "float32"} if dtypes is None else dtypes
    first = next(iter(dtypes.values()), "float32")
    tensor = TensorSpec("x", first if isinstance(first, str) else first[0], shape)
    node = OpNode(name, op_type, layer, role, (tensor,), (tensor,), tuple(dtypes.items()))
    placement = Placement(name, verdict, "predicted", Reason(*reason))
    (op,) = costed((PlacedOp(node, placement, None),))[0]
    return op


def costed(
    ops: tuple[PlacedOp, ...],
) -> tuple[tuple[PlacedOp, ...], StepCost | None, tuple[LayerFlow, ...]]:
    """Each op feeds the next."""
    if not ops:
        return ops, None, ()
    nodes = tuple(op.node for op in ops)
    placements = tuple(op.placement for op in ops)
    edges = tuple(Edge(a.id, 0, b.id, 0) for a, b in pairwise(nodes))
    graph = ModelGraph("step", (), nodes, edges, MappingProxyType({}))
    costs = assess(graph, placements, batch=2)
    found = zip(ops, severities(nodes, placements, costs), costs.ops, strict=True)
    placed = tuple(replace(op, severity=bad, cost=cost) for op, bad, cost in found)
    return placed, costs.step, costs.flows


def make_source(**changes: object) -> ModelSource:
    values: dict[str, object] = {
        "path": "models/captioner.h5",
        "format": "hdf5",
        "sha256": "0123456789abcdef" * 4,
        "keras_version": "2.10.0",
        "backend": "tensorflow",
        "layers": (),
        "hazards": (),
    }
    return ModelSource(**(values | changes))


INT64 = (
    "dtype",
    "AddV2 with T=int64: the plugin registers AddV2 for float32, float16, bfloat16",
)
PACK = (
    "host-memory",
    "Pack with T=float32 is placed on GPU, but its kernel keeps values, output in host memory, so "
    "it computes on the CPU",
)
COLOCATED = (
    "colocated",
    "colocated with ResourceSparseApplyAdam, and tensorflow-metal 1.2.0 registers no "
    "ResourceSparseApplyAdam",
)
OPAQUE = ("opaque", "layer {} was not instantiated; a stand-in took its place")
EVIL = "evil\x1b[31m\nname"


def sample_layers() -> tuple[LayerNode, ...]:
    keras = "keras.layers"
    return (
        LayerNode("rescaling", "Rescaling", f"{keras}.experimental.preprocessing", "experimental"),
        LayerNode("block", "Functional", "keras", "wrapper"),
        LayerNode("block/attention", "MultiHeadAttention", keras, "builtin", "block"),
        LayerNode("block/gate", "Gate", "my_package.layers", "custom", "block"),
        LayerNode("embedding", "Embedding", keras, "builtin"),
        LayerNode("dense", "Dense", keras, "builtin"),
        LayerNode(EVIL, "Lambda", keras, "lambda"),
    )


def forward_ops(plugin: str) -> tuple[PlacedOp, ...]:
    attention = "block/attention"
    placed = [make_op(f"dense/MatMul_{i}", "MatMul", layer="dense") for i in range(7)]
    for i in range(4):
        einsum = f"{attention}/einsum/Einsum_{i}"
        placed.append(
            make_op(
                einsum,
                "Einsum",
                "cpu",
                ("no-kernel", f"tensorflow-{plugin} registers no Einsum"),
                layer=attention,
                shape=(2, 32, 2, 8),
            )
        )
    if plugin == "metal":
        placed.append(
            make_op("stack", "Pack", "host-pinned", PACK, layer="block", shape=(2, 32, 16))
        )
        for layer in ("block/gate", EVIL):
            reason = (OPAQUE[0], OPAQUE[1].format(layer))
            placed.append(make_op(f"{layer}/Mean", "Mean", "unknown", reason, layer=layer))
    placed.append(
        make_op("rank", "AddV2", "cpu", INT64, layer="block", dtypes={"T": "int64"}, shape=())
    )
    return tuple(placed)


def training_ops(plugin: str) -> tuple[PlacedOp, ...]:
    update = {"layer": "embedding", "role": "optimizer", "shape": (500, 16)}
    lookup = {"layer": "embedding", "shape": (2, 32, 16), "dtypes": {"dtype": "float32"}}
    extra = [
        make_op(
            "adam/AddV2", "AddV2", "cpu", INT64, role="optimizer", dtypes={"T": "int64"}, shape=()
        ),
        make_op("gradient_tape/dense/MatMul", "MatMul", layer="dense", role="backward"),
    ]
    if plugin == "metal":
        extra += [
            make_op("embedding/ResourceGather", "ResourceGather", "cpu", COLOCATED, **lookup),
            make_op(
                "adam/ResourceSparseApplyAdam",
                "ResourceSparseApplyAdam",
                "cpu",
                ("no-kernel", "tensorflow-metal 1.2.0 registers no ResourceSparseApplyAdam"),
                **update,
            ),
        ]
    return forward_ops(plugin) + tuple(extra)


def make_report(fail_on: str = "error") -> Report:
    """One of everything: both plugins, every verdict, a step without a graph, a hostile name."""
    hazards = (
        Hazard("lambda", EVIL, "A Lambda layer holds code that would run when it is called."),
        Hazard("custom-layer", "block/gate", "Gate comes from my_package.layers."),
    )
    source = make_source(layers=sample_layers(), hazards=hazards)
    reply = WorkerReply(ENVIRONMENT, sample_layers(), ())
    metal, directml = make_target("metal"), make_target("directml")
    inference = TracedStep("inference", None, executed=True)
    training = TracedStep(
        "training",
        None,
        executed=True,
        loss="MeanSquaredError",
        optimizer="Adam",
        defaults=("loss",),
    )
    failed = TracedStep("training", None, error="ValueError: no gradient for block/gate")

    def subject(
        target: Target, step: TracedStep, ops: tuple[PlacedOp, ...], gaps: tuple[str, ...] = ()
    ) -> Subject:
        ops, *costs = costed(ops)
        return Subject(source, reply.layers, ENVIRONMENT, target, step.step, ops, gaps, *costs)

    def compared(ops: tuple[PlacedOp, ...]) -> ReconcileResult:
        return ReconcileResult(tuple(op.placement for op in ops), len(ops), (), (), ())

    results = [
        build.result(subject(metal, inference, forward_ops("metal")), inference, None),
        build.result(
            subject(metal, training, training_ops("metal")),
            training,
            compared(training_ops("metal")),
        ),
        build.result(
            subject(
                directml,
                inference,
                (
                    *forward_ops("directml"),
                    make_op(
                        "lstm/CudnnRNNV3",
                        "CudnnRNNV3",
                        "fails",
                        (
                            "no-kernel-anywhere",
                            "CudnnRNNV3 with T=float32 has no kernel on GPU and none on the CPU",
                        ),
                        layer="lstm",
                    ),
                ),
            ),
            inference,
            ReconcileResult((), 12, (), ("rank",), (), (RANK_DIFFERS,)),
        ),
        build.result(
            subject(directml, failed, (), (failed.error or "",)),
            failed,
            None,
        ),
    ]
    report = build.report(source, reply, (metal, directml), results)
    return judged(report, fail_on)


def make_clean_report() -> Report:
    """Everything on the accelerator but a counter."""
    source = make_source(path="models/mnist.keras", format="keras", keras_version="3.6.0")
    layers = (LayerNode("dense", "Dense", "keras.layers", "builtin"),)
    reply = WorkerReply(ENVIRONMENT, layers, ())
    target = make_target("metal")
    step = TracedStep("training", None, executed=True, loss="MeanSquaredError", optimizer="SGD")
    ops = tuple(make_op(f"dense/MatMul_{i}", "MatMul", layer="dense") for i in range(8))
    ops += (
        make_op(
            "sgd/AddV2", "AddV2", "cpu", INT64, role="optimizer", dtypes={"T": "int64"}, shape=()
        ),
    )
    ops, *costs = costed(ops)
    subject = Subject(source, layers, ENVIRONMENT, target, "training", ops, (), *costs)
    compared = ReconcileResult(tuple(op.placement for op in ops), len(ops), (), (), ())
    report = build.report(source, reply, (target,), [build.result(subject, step, compared)])
    return judged(report, "error")


def judged(report: Report, fail_on: str) -> Report:
    return gate.judge(report, Options(fail_on=fail_on))


@pytest.fixture
def placed() -> Callable[..., PlacedOp]:
    return make_op


@pytest.fixture
def make_subject() -> Callable[..., Subject]:
    """A training step on a target; what is not given is unremarkable."""

    def make(
        *,
        target: str = "metal",
        ops: tuple[PlacedOp, ...] = (),
        layers: tuple[LayerNode, ...] = (),
        source: dict[str, object] | None = None,
        environment: dict[str, object] | None = None,
        gaps: tuple[str, ...] = (),
    ) -> Subject:
        fitting = {"tensorflow": "2.18.1", "keras": "3.6.0"}
        if target == "directml":
            fitting = {"tensorflow": "2.10.1", "keras": "2.10.0"}
        env = msgspec.structs.replace(ENVIRONMENT, **(fitting | (environment or {})))
        model = make_source(**(source or {}))
        return Subject(model, layers, env, make_target(target), "training", ops, gaps)

    return make


@pytest.fixture(scope="session")
def report() -> Report:
    return make_report()


@pytest.fixture(scope="session")
def clean_report() -> Report:
    return make_clean_report()


@pytest.fixture(scope="session")
def reports() -> Callable[[str], Report]:
    """The canonical report, judged by a given ``--fail-on``."""
    return make_report
