"""The stages joined, with the TensorFlow process and the reading of files replaced."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from opcheck import pipeline, targets
from opcheck.config import Options
from opcheck.emulator.compiler import find_compiler
from opcheck.errors import (
    BuildError,
    CannotCheckError,
    EmulatorError,
    OpcheckError,
    UnknownTargetError,
    UsageError,
    WorkerError,
    WorkerTimeoutError,
)
from opcheck.graph import OpSignature
from opcheck.graph.raw import RawFunction, RawGraph, RawNode, RawTensor
from opcheck.graph.signature import ArgDef
from opcheck.loading.types import Hazard, ModelSource
from opcheck.targets import KernelDef, KernelRegistry, Target
from opcheck.worker.protocol import (
    DeviceLogEntry,
    TracedStep,
    WorkerEnvironment,
    WorkerReply,
    WorkerRequest,
)

X = ArgDef("x", type_attr="T")
METAL = "metal@1.2.0,macos=13,arch=arm64,tensorflow=2.18.1"
REAL_RESOLVE = targets.resolve
ACTIVATION = RawTensor("float32", (3, 64))


def raw_graph(*op_types: str, notes: tuple[str, ...] = ()) -> RawGraph:
    """A chain of float32 ops, each named after its type."""
    nodes, previous = [], "input:0"
    for op in op_types:
        inputs = (previous,)
        nodes.append(
            RawNode(op, op, inputs, (ACTIVATION,), (("T", "float32"),), (), layer=op.lower())
        )
        previous = f"{op}:0"
    placeholder = RawNode("input", "Placeholder", (), (ACTIVATION,), (("dtype", "float32"),), ())
    main = RawFunction("main", (placeholder, *nodes), ("input",), (previous,))
    signatures = tuple(OpSignature(op, (X,), (X,)) for op in op_types)
    return RawGraph(main, (), signatures, notes)


@pytest.fixture(autouse=True)
def _small_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every target has Relu on the accelerator and the CPU, and Elu on the CPU."""
    resolve = targets.resolve
    kernels = [
        KernelDef(op, device, (("T", ("float32",)),), (), 0, "", "core", ())
        for op, device in (("Relu", "GPU"), ("Relu", "CPU"), ("Elu", "CPU"))
    ]

    def small(spec: str, **how: bool) -> Target:
        return msgspec.structs.replace(resolve(spec, **how), registry=KernelRegistry(kernels))

    monkeypatch.setattr("opcheck.targets.resolve", small)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[WorkerRequest]]:
    """Call it with the reply that the worker is to give; returns the requests it was sent."""
    source = ModelSource("m.h5", "hdf5", "00" * 32, "2.10.0", None, (), ())
    requests: list[WorkerRequest] = []

    def set_up(
        *steps: TracedStep,
        replaced: tuple[Hazard, ...] = (),
        accelerators: tuple[tuple[str, str], ...] = (),
        on_cpu: tuple[TracedStep, ...] | None = None,
        broken: OpcheckError | None = None,
        tensorflow: str = "2.18.1",
    ) -> list[WorkerRequest]:
        """``on_cpu``: the steps without an emulated device; ``broken``: what that device gives."""

        environment = WorkerEnvironment("3.11.7", "Linux", "x86_64", tensorflow, "3.6.0", "keras")

        def run(request: WorkerRequest, **_: object) -> WorkerReply:
            requests.append(request)
            if request.emulate is None and on_cpu is not None:
                return WorkerReply(environment, (), on_cpu, replaced)
            there = msgspec.structs.replace(
                environment, accelerators=accelerators, emulated=request.emulate
            )
            return WorkerReply(there, (), steps, replaced)

        monkeypatch.setattr("opcheck.loading.read", lambda _: source)
        monkeypatch.setattr("opcheck.worker.devices.run", run)
        monkeypatch.setattr(
            "opcheck.worker.devices.run_all",
            lambda asked, **_: [broken if broken and r.emulate else run(r) for r in asked],
        )
        monkeypatch.setattr("opcheck.worker.devices.find_compiler", lambda: ["c++"])
        return requests

    return set_up


def step(*op_types: str, name: str = "inference", **more: object) -> TracedStep:
    log = tuple(DeviceLogEntry(op, op, "CPU:0") for op in op_types)
    return TracedStep(name, raw_graph(*op_types), placements=log, executed=True, **more)


def test_from_a_spec_to_a_verdict(worker: Callable[..., list[WorkerRequest]]) -> None:
    requests = worker(step("Relu", "Elu"))
    stages: list[str] = []
    options = Options(step="inference", batch_size=3, trust=True, custom_objects=("mine",))
    report = pipeline.check("m.h5", ["metal@1.2.0"], options, stages.append)
    (result,) = report.results
    assert {op.op: op.verdict for op in result.ops} == {"Relu": "accelerator", "Elu": "cpu"}
    assert [finding.code for finding in result.findings] == ["OPC101"]
    assert result.findings[0].layer == "elu"
    assert (report.verdict.passed, report.verdict.exit_code) == (False, 1)
    assert result.trace.matched == 2
    assert result.evidence == "predicted"
    (request,) = requests
    assert request.steps == ("inference",)
    assert (request.batch_size, request.trust, request.custom_objects) == (3, True, ("mine",))
    assert stages == ["reading the model", "placing the ops"]


def test_a_result_for_each_target_and_step(worker: Callable[..., list[WorkerRequest]]) -> None:
    requests = worker(step("Relu"), step("Relu", name="training"))
    report = pipeline.check("m.h5", ["metal", "directml"])
    assert requests[0].steps == ("inference", "training")
    assert [(r.target, r.step) for r in report.results] == [
        ("metal@1.2.0", "inference"),
        ("metal@1.2.0", "training"),
        ("directml@0.4.0", "inference"),
        ("directml@0.4.0", "training"),
    ]
    assert {m.target for m in report.environment.mismatch} == {"directml@0.4.0"}


def test_the_targets_of_the_options(worker: Callable[..., list[WorkerRequest]]) -> None:
    worker(step("Relu"))
    report = pipeline.check("m.h5", options=Options(targets=("directml",)))
    assert [r.target for r in report.results] == ["directml@0.4.0"]


def test_without_targets_both_plugins(
    worker: Callable[..., list[WorkerRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker(step("Relu"))
    monkeypatch.setattr("opcheck.installed.version_of", lambda _: None)
    report = pipeline.check("m.h5")
    assert [r.target for r in report.results] == ["metal@1.2.0", "directml@0.4.0"]


def test_an_unknown_target_stops_before_tensorflow(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    requests = worker(step("Relu"))
    with pytest.raises(UnknownTargetError):
        pipeline.check("m.h5", ["metal@9"])
    assert requests == []


def test_a_signature_is_a_savedmodels(worker: Callable[..., list[WorkerRequest]]) -> None:
    requests = worker(step("Relu"))
    with pytest.raises(UsageError, match=r"--signature serve: m\.h5 is no SavedModel"):
        pipeline.check("m.h5", ["metal"], Options(signature="serve"))
    assert requests == []
    source = ModelSource("m", "savedmodel", "00" * 32, None, None, (), ())
    pipeline.check(source, ["metal"], Options(signature="serve"))
    assert [request.signature for request in requests] == ["serve"]


def test_a_step_without_a_graph_does_not_pass(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    worker(step("Relu"), TracedStep("training", None, error="ValueError: no gradient"))
    report = pipeline.check("m.h5", ["metal"], Options(fail_on="never"))
    assert report.verdict.exit_code == 2
    assert report.results[1].incomplete == ("ValueError: no gradient",)


def test_a_step_that_does_not_exist_is_a_note(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    worker(step("Relu"), TracedStep("training", None, notes=("There is no training step.",)))
    report = pipeline.check("m.pb", ["metal"])
    assert [result.step for result in report.results] == ["inference"]
    assert report.model.notes == ("There is no training step.",)
    assert report.verdict.passed


def test_a_step_that_does_not_exist_and_was_asked_for_does_not_pass(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    worker(TracedStep("training", None, notes=("There is no training step.",)))
    report = pipeline.check("m.pb", ["metal"], Options(step="training", fail_on="never"))
    assert report.results[0].incomplete == ("There is no training step.",)
    assert report.verdict.exit_code == 2


def test_what_was_not_walked_does_not_pass(worker: Callable[..., list[WorkerRequest]]) -> None:
    traced = msgspec.structs.replace(
        step("Relu"), graph=raw_graph("Relu", notes=("Map runs f itself; it was not walked.",))
    )
    worker(traced)
    report = pipeline.check("m.h5", ["metal"], Options(fail_on="never"))
    assert report.results[0].incomplete == ("Map runs f itself; it was not walked.",)
    assert report.verdict.exit_code == 2


def test_a_stand_in_is_unknown(worker: Callable[..., list[WorkerRequest]]) -> None:
    worker(step("Relu"), replaced=(Hazard("lambda", "relu", "Layer relu is a Lambda."),))
    report = pipeline.check("m.h5", ["metal"])
    assert [op.verdict for op in report.results[0].ops] == ["unknown"]
    assert [finding.code for finding in report.results[0].findings] == ["OPC201"]
    assert report.verdict.exit_code == 2


def test_a_custom_loss_leaves_the_training_step_open(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    hazard = Hazard("custom-function", None, "The loss 'mine' is not part of Keras.")
    worker(step("Relu"), step("Relu", name="training"), replaced=(hazard,))
    inference, training = pipeline.check("m.h5", ["metal"]).results
    assert inference.incomplete == ()
    assert training.incomplete == ("The loss 'mine' is not part of Keras.",)


def test_a_model_of_a_class_of_its_own_leaves_every_step_open(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    """Its file holds no ``call``, which may be another one."""
    hazard = Hazard("custom-layer", None, "The model is of the class Mine.")
    worker(step("Relu"), step("Relu", name="training"), replaced=(hazard,))
    results = pipeline.check("m.h5", ["metal"]).results
    (gap,) = {gap for result in results for gap in result.incomplete}
    assert [len(result.incomplete) for result in results] == [1, 1]
    assert gap.startswith("The model is of the class Mine. Name the module")


def test_evidence_predicted_compares_nothing(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    worker(step("Relu"))
    report = pipeline.check("m.h5", ["metal"], Options(evidence="predicted"))
    assert report.results[0].trace.matched == 0


def test_evidence_traced_needs_the_device(worker: Callable[..., list[WorkerRequest]]) -> None:
    worker(step("Relu"))
    with pytest.raises(CannotCheckError, match=r"metal@1\.2\.0 could not be traced"):
        pipeline.check("m.h5", ["metal"], Options(evidence="traced"))


def test_nearest_is_asked_for_and_said(worker: Callable[..., list[WorkerRequest]]) -> None:
    worker(step("Relu"))
    with pytest.raises(UnknownTargetError):
        pipeline.check("m.h5", ["metal@9.9"])
    (result,) = pipeline.check("m.h5", ["metal@9.9"], Options(nearest=True)).results
    assert (result.target, result.match) == ("metal@1.2.0", "nearest")
    assert "metal@9.9" in result.match_reason


def test_without_the_device_traced_means_emulated(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    """One worker a target: a process can have the kernels of one only."""
    traced = msgspec.structs.replace(
        step("Elu"), placements=(DeviceLogEntry("Elu", "Elu", "CPU:0"),)
    )
    requests = worker(traced, accelerators=(("GPU", "METAL"),))
    names = ["metal@1.2.0", "metal@1.2.0,macos=12"]
    report = pipeline.check("m.h5", names, Options(evidence="traced"))
    assert [request.emulate for request in requests] == [
        "metal@1.2.0,macos=13,arch=arm64,tensorflow=2.18.1",
        "metal@1.2.0,macos=12,arch=arm64,tensorflow=2.18.1",
    ]
    assert [result.evidence for result in report.results] == ["emulated"] * 2
    assert report.environment.accelerators == ()
    assert report.environment.notes == ()  # TensorFlow is the one these kernels are of


@pytest.mark.parametrize(
    ("tensorflow", "evidence", "told"),
    [
        ("2.19.1", "traced", True),
        ("2.19.1", "predicted", False),  # nothing was emulated
        ("2.18.0", "traced", False),  # another patch of the same minor
        ("2.21.0", "traced", False),  # OPC302 tells it
    ],
)
def test_which_tensorflow_an_emulated_device_ran_beside(
    tensorflow: str, evidence: str, told: bool, worker: Callable[..., list[WorkerRequest]]
) -> None:
    worker(step("Relu"), accelerators=(("GPU", "METAL"),), tensorflow=tensorflow)
    report = pipeline.check("m.h5", ["metal@1.2.0"], Options(evidence=evidence))
    notes = (
        f"metal@1.2.0 was emulated beside TensorFlow {tensorflow}, with the kernels that it has "
        "beside 2.18.1: the op sets may differ.",
    )
    assert report.environment.notes == (notes if told else ())
    codes = {finding.code for result in report.results for finding in result.findings}
    assert ("OPC302" in codes) == (tensorflow == "2.21.0")


def stopped(*op_types: str, error: str, **more: object) -> TracedStep:
    return msgspec.structs.replace(
        step(*op_types), placements=(), executed=False, error=error, **more
    )


def test_a_step_that_stops_on_the_device_is_not_good(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    requests = worker(
        stopped("Relu", error="InternalError: oh"),
        accelerators=(("GPU", "METAL"),),
        on_cpu=(step("Relu"),),
    )
    report = pipeline.check("m.h5", ["metal"])
    assert report.results[0].incomplete == ("The step stopped on metal@1.2.0: InternalError: oh",)
    assert report.results[0].summary.fails == 0
    assert report.verdict.exit_code == 2
    assert [request.emulate for request in requests] == [METAL, None]


def test_a_step_that_stops_on_the_cpu_too_says_nothing_of_the_target(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    bad = stopped("Relu", error="InvalidArgumentError: Expected image (JPEG)")
    worker(bad, accelerators=(("GPU", "METAL"),))
    report = pipeline.check("m.h5", ["metal"])
    assert report.results[0].incomplete == ()
    assert report.results[0].trace.error == "InvalidArgumentError: Expected image (JPEG)"
    assert report.verdict.passed


def test_the_op_that_the_device_refuses_fails(worker: Callable[..., list[WorkerRequest]]) -> None:
    """What was placed before it is kept; nothing has to run again to tell whose fault it is."""
    refused = stopped(
        "Relu", "Elu", error="No OpKernel was registered", error_op="Elu", refused=True
    )
    refused = msgspec.structs.replace(
        refused, placements=(DeviceLogEntry("Relu", "Relu", "GPU:0"),)
    )
    requests = worker(refused, accelerators=(("GPU", "METAL"),))
    report = pipeline.check("m.h5", ["metal"])
    relu, elu = report.results[0].ops
    assert (relu.verdict, relu.evidence) == ("accelerator", "emulated")
    assert (elu.verdict, elu.evidence, elu.reason.code) == ("fails", "emulated", "raised")
    assert "No OpKernel was registered" in elu.reason.message
    assert [finding.code for finding in report.results[0].findings] == ["OPC110"]
    assert (report.results[0].incomplete, report.verdict.exit_code) == ((), 1)
    assert [request.emulate for request in requests] == [METAL]


@pytest.mark.parametrize("kind", [EmulatorError, WorkerError, BuildError])
def test_without_an_emulated_device_the_verdicts_are_predicted(
    kind: type[OpcheckError], worker: Callable[..., list[WorkerRequest]]
) -> None:
    requests = worker(step("Relu", "Elu"), broken=kind("It broke.", hint="Mend it."))
    report = pipeline.check("m.h5", ["metal", "directml"], Options(step="inference"))
    assert {op.evidence for result in report.results for op in result.ops} == {"predicted"}
    assert report.environment.notes == (
        "Only predicted, not traced on an emulated metal@1.2.0 or directml@0.4.0: It broke. "
        "Mend it.",
    )
    assert [request.emulate for request in requests] == [None]


def test_without_a_compiler_tensorflow_is_started_once(
    worker: Callable[..., list[WorkerRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = worker(step("Relu"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("opcheck.worker.devices.find_compiler", find_compiler)
    report = pipeline.check("m.h5", ["metal", "directml"])
    assert "no-such-compiler" in report.environment.notes[0]
    assert "Install a C++17 compiler" in report.environment.notes[0]
    assert [request.emulate for request in requests] == [None]
    for evidence in ("traced", "both"):
        with pytest.raises(EmulatorError):
            pipeline.check("m.h5", ["metal"], Options(evidence=evidence))


FORK = "tensorflow-directml@1.15.8"


def test_a_tensorflow_1_is_predicted_and_says_so(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    requests = worker(step("Relu"))
    report = pipeline.check("m.h5", [FORK, "metal"])
    assert [request.emulate for request in requests] == [METAL, None]
    assert [result.device_type for result in report.results] == ["DML", "GPU"]
    (note,) = report.environment.notes
    assert f"{FORK} is a TensorFlow 1.15.8 of its own" in note
    assert [f.code for f in report.results[0].findings if f.code == "OPC302"]
    with pytest.raises(EmulatorError, match="only devices of TensorFlow 2 can be emulated"):
        pipeline.check("m.h5", [FORK], Options(evidence="traced"))


def test_a_dml_is_no_gpu_to_keras(worker: Callable[..., list[WorkerRequest]]) -> None:
    """It takes the layers' other graph there, without CudnnRNN."""
    worker(step("Relu", executed_graph=raw_graph("Elu")))
    report = pipeline.check("m.h5", [FORK, "metal"], Options(evidence="predicted"))
    assert [[op.op for op in result.ops] for result in report.results] == [["Elu"], ["Relu"]]


def test_a_timeout_is_not_tried_again(worker: Callable[..., list[WorkerRequest]]) -> None:
    requests = worker(step("Relu"), broken=WorkerTimeoutError("Too long."))
    with pytest.raises(WorkerTimeoutError):
        pipeline.check("m.h5", ["metal"])
    assert requests == []


def test_a_stop_that_was_predicted_is_explained(
    worker: Callable[..., list[WorkerRequest]],
) -> None:
    """CudnnRNN has no kernel on DirectML: the report says so, and nothing is left open."""
    worker(stopped("CudnnRNN", error="CudnnRNN", refused=True), accelerators=(("GPU", "DML"),))
    report = pipeline.check("m.h5", ["directml"], Options(evidence="traced"))
    assert report.results[0].incomplete == ()
    assert report.results[0].summary.fails == 1
    assert report.verdict is not None
    assert not report.verdict.passed


def test_on_the_device_itself_it_is_observed(
    worker: Callable[..., list[WorkerRequest]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("opcheck.worker.devices.accelerator", lambda: "metal@1.2.0,macos=15")
    traced = msgspec.structs.replace(
        step("Relu", "Elu"),
        placements=(DeviceLogEntry("Relu", "Relu", "CPU:0"), DeviceLogEntry("Elu", "Elu", "CPU:0")),
    )
    worker(traced, accelerators=(("GPU", "METAL"),))
    report = pipeline.check("m.h5", ["metal"], Options(evidence="traced"))
    (result,) = report.results
    assert result.evidence == "observed"
    assert [(op.verdict, op.evidence) for op in result.ops] == [("cpu", "observed")] * 2
    (differs,) = result.disagreements
    assert (differs.name, differs.op, differs.layer) == ("Relu", "Relu", "relu")
    assert (differs.predicted, differs.reason.code, differs.traced) == (
        "accelerator",
        "kernel",
        "cpu",
    )


def test_a_stand_in_without_ops_of_its_own(worker: Callable[..., list[WorkerRequest]]) -> None:
    """Keras 3's TimeDistributed runs its layer without calling it: nothing is attributed to it."""
    lambda_ = Hazard("lambda", "outer/inner", "Layer outer/inner is a Lambda.")
    worker(TracedStep("inference", raw_graph("Relu")), replaced=(lambda_,))
    report = pipeline.check("m.h5", [METAL], Options(step="inference", evidence="predicted"))
    assert report.results[0].incomplete == ("Layer outer/inner is a Lambda.",)
    assert report.verdict.exit_code == 2


OBSERVED = {
    # What is installed here, and the target: is it this machine's own?
    "the same": ("metal@1.2.0,macos=15", "metal@1.2.0", True),
    "another system with the same kernels": ("metal@1.2.0,macos=15", "metal@1.2.0,macos=13", True),
    "a captured one of a version unknown here": ("metal@9.9.0,macos=15", "metal@9.9.0", True),
    "one of a library, which has no version": ("metal@1.2.0,macos=15", "metal@unknown", False),
    "DirectML's long name": ("directml@0.4.0.dev230202", "directml@0.4.0", True),
    "another version": ("metal@1.0.1,macos=15", "metal@1.2.0", False),
    "a system with other kernels": ("metal@1.2.0,macos=15", "metal@1.2.0,macos=12", False),
    "another plugin": ("directml@0.4.0.dev230202", "metal@1.2.0", False),
}


@pytest.mark.parametrize(("own", "spec", "observed"), OBSERVED.values(), ids=OBSERVED.keys())
def test_only_the_machines_own_accelerator_is_observed(
    own: str,
    spec: str,
    observed: bool,
    worker: Callable[..., list[WorkerRequest]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another version of the plugin, or a macOS on which it has other kernels, shows nothing."""
    of_a_file = spec in ("metal@9.9.0", "metal@unknown")
    target = REAL_RESOLVE("metal@1.2.0" if of_a_file else spec)
    if of_a_file:
        target = msgspec.structs.replace(target, version=spec.partition("@")[2])

    def resolve(name: str, **how: bool) -> Target:
        return target if name == spec else REAL_RESOLVE(name, **how)

    monkeypatch.setattr("opcheck.targets.resolve", resolve)
    monkeypatch.setattr("opcheck.worker.devices.accelerator", lambda: own)
    requests = worker(step("Relu"), accelerators=((target.device_type, target.platform),))
    report = pipeline.check("m.h5", [spec])
    (result,) = report.results
    assert [request.emulate for request in requests] == [None]
    assert result.evidence == ("observed" if observed else "predicted")
    if observed:
        assert report.environment.notes == ()
        return
    (note,) = report.environment.notes
    assert note == (
        f"Only predicted, not traced on an emulated {target.label}: {own} is installed here, and "
        "beside an installed plugin nothing can be emulated. "
        f"Check {own}, or run opcheck where no plugin is installed."
    )
    for evidence in ("traced", "both"):
        with pytest.raises(EmulatorError, match="is installed here"):
            pipeline.check("m.h5", [spec], Options(evidence=evidence))


def test_a_plugin_without_a_device_is_no_accelerator(
    worker: Callable[..., list[WorkerRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As DirectML's on a machine without its driver, or Apple's on a hosted runner."""
    monkeypatch.setattr("opcheck.worker.devices.accelerator", lambda: "directml@0.4.0.dev230202")
    worker(step("Relu"))
    report = pipeline.check("m.h5", ["directml"])
    assert [result.evidence for result in report.results] == ["predicted"]
    assert report.environment.notes == (
        "directml@0.4.0 is installed here, but TensorFlow lists no GPU of it: only predicted. "
        "Where no plugin is installed it can be emulated.",
    )
    with pytest.raises(CannotCheckError, match="no such device"):
        pipeline.check("m.h5", ["directml"], Options(evidence="traced"))
