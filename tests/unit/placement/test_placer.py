"""The placer's finer rules; each was seen in TensorFlow's own log (tests/tf/test_emulator.py)."""

from __future__ import annotations

import msgspec
import raw_graphs as raws

from opcheck.graph import ARGUMENT
from opcheck.placement import predict, predict_all
from opcheck.placement.placer import place
from opcheck.targets import Target

from .registry import graph, kernel, op, target

EVERYWHERE = [
    kernel(name, device)
    for name in ("Identity", "ReadVariableOp", "Shape", "Const", "Relu")
    for device in ("GPU", "CPU")
]
ON = target(*EVERYWHERE, kernel("Einsum", "CPU"), kernel("ResourceApplyFtrl", "CPU"))
WITH_VARIABLES = target(
    *EVERYWHERE, kernel("ResourceApplyFtrl", "CPU"), kernel("VarHandleOp", "GPU")
)
LOWERS = target(
    *EVERYWHERE,
    *(
        kernel(name, device)
        for name in ("Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch")
        for device in ("GPU", "CPU")
    ),
    kernel("Einsum", "CPU"),
)
OLD = msgspec.structs.replace(ON, tensorflow="2.15.1")


def devices(model: object, on: Target) -> dict[str, str | None]:
    return {key: found.device for key, found in place(model, on).items()}  # type: ignore[arg-type]


def test_a_variable_on_the_accelerator_strands_an_op_without_a_kernel() -> None:
    """TensorFlow: 'colocated with a group of nodes that required incompatible device'."""
    model = graph(
        [
            op("read", "ReadVariableOp", inputs="resource", types={"dtype": "float32"}),
            op(
                "update", "ResourceApplyFtrl", inputs="resource", outputs="", types={"T": "float32"}
            ),
        ],
        [(f"{ARGUMENT}w", "read"), (f"{ARGUMENT}w", "update")],
    )
    read, update = predict(model, WITH_VARIABLES)
    assert (read.verdict, update.verdict) == ("accelerator", "fails")
    assert (update.reason.code, update.reason.message) == (
        "variable-on-accelerator",
        "tensorflow-metal 9.9 registers no ResourceApplyFtrl, and the variable it works on is on "
        "GPU: TensorFlow refuses to place the step",
    )


def test_a_variable_that_cannot_be_there_takes_its_ops_to_the_cpu() -> None:
    model = graph(
        [
            op("read", "ReadVariableOp", inputs="resource", types={"dtype": "float32"}),
            op(
                "update", "ResourceApplyFtrl", inputs="resource", outputs="", types={"T": "float32"}
            ),
        ],
        [(f"{ARGUMENT}w", "read"), (f"{ARGUMENT}w", "update")],
    )
    assert devices(model, ON) == {"read": "CPU", "update": "CPU"}


def test_a_device_that_was_asked_for() -> None:
    ops = [
        op("c", "Const", device="/device:CPU:0"),
        op("relu", "Relu", inputs="float32"),
    ]
    assert devices(graph(ops, [("c", "relu")]), ON) == {"c": "CPU", "relu": "GPU"}


def test_an_accelerator_that_was_asked_for_keeps_what_it_can_run() -> None:
    ops = [
        op("c", "Const", device="/job:localhost/replica:0/task:0/device:GPU:0"),
        op("e", "Einsum", inputs="float32", device="/job:localhost/replica:0/task:0/device:GPU:0"),
    ]
    assert devices(graph(ops, [("c", "e")]), ON) == {"c": "GPU", "e": "CPU"}


def test_a_variable_outvotes_the_device_that_was_asked_for() -> None:
    ops = [op("read", "ReadVariableOp", inputs="resource", device="/device:CPU:0")]
    assert devices(graph(ops, [(f"{ARGUMENT}w", "read")]), ON) == {"read": "GPU"}


def test_the_shape_of_an_integer_input_is_read_where_the_input_is() -> None:
    for dtype, device in (("int32", "CPU"), ("float32", "GPU")):
        model = graph([op("shape", "Shape", inputs=dtype)], [(f"{ARGUMENT}x", "shape")])
        assert devices(model, ON) == {"shape": device}


def test_names_in_a_body_are_the_bodys_own() -> None:
    model = graph(
        [
            op("loop/body/a/e", "Einsum", inputs="float32", function="body"),
            op(
                "loop/body/b/relu",
                "Relu",
                inputs="float32",
                function="body",
                attrs=(("_class", ("loc:@a/e",)),),
            ),
        ]
    )
    assert devices(model, ON)["loop/body/b/relu"] == "CPU"


def test_a_lone_identity_follows_its_input_since_2_16() -> None:
    model = graph(
        [op("e", "Einsum", inputs="float32"), op("i", "Identity", inputs="float32")], [("e", "i")]
    )
    assert devices(model, ON)["i"] == "CPU"
    assert devices(model, OLD)["i"] == "GPU"


def test_an_identity_with_two_consumers_stays() -> None:
    relus = [op(name, "Relu", inputs="float32") for name in "ab"]
    model = graph(
        [op("e", "Einsum", inputs="float32"), op("i", "Identity", inputs="float32"), *relus],
        [("e", "i"), ("i", "a"), ("i", "b")],
    )
    assert devices(model, ON)["i"] == "GPU"


def test_what_feeds_a_loop_has_the_loops_enter_for_a_consumer() -> None:
    beside = [op("c", "Const"), op("e", "Einsum", inputs="float32")]
    assert devices(graph(beside, [("c", "e")]), ON)["c"] == "CPU"
    body = raws.function(
        "body", raws.node("a", "Placeholder"), raws.node("e", "Einsum", "a:0"), results=("e:0",)
    )
    cond = raws.function("cond", raws.node("a", "Placeholder"), results=("a:0",))
    main = raws.function(
        "main",
        raws.node("c", "Const"),
        raws.node("loop", "While", "c:0", functions=(("body", ("body",)), ("cond", ("cond",)))),
        results=("loop:0",),
    )
    found = devices(raws.graph(main, body, cond), LOWERS)
    assert (found["c"], found["loop/enter/0"], found["loop/body/e"]) == ("GPU", "GPU", "CPU")


def test_what_leads_into_a_branch_is_where_it_comes_from() -> None:
    branch = raws.function(
        "branch", raws.node("a", "Placeholder"), raws.node("s", "Shape", "a:0"), results=("s:0",)
    )
    both = (("else_branch", ("branch",)), ("then_branch", ("branch",)))
    main = raws.function(
        "main",
        raws.node("p", "Placeholder"),
        raws.node("x", "Placeholder"),
        raws.node("e", "Einsum", "x:0"),
        raws.node("cond", "StatelessIf", "p:0", "e:0", functions=both),
        results=("cond:0",),
    )
    found = devices(raws.graph(main, branch), LOWERS)
    assert found["cond/switch/0"] == found["Func/cond/then/input/0"] == "CPU"
    assert found["cond/then/s"] == found["Func/cond/then/output/0"] == "CPU"
    assert found["cond/output/0"] == "GPU"


def test_the_partitioner_moves_control_flow_to_its_data() -> None:
    """The branch's condition is on the CPU, so the Switch that the placer left alone goes there."""
    nothing = raws.function("nothing", results=())
    main = raws.function(
        "main",
        raws.node("x", "Placeholder"),
        raws.node("e", "Einsum", "x:0"),
        raws.node(
            "cond",
            "StatelessIf",
            "e:0",
            outputs=0,
            functions=(("else_branch", ("nothing",)), ("then_branch", ("nothing",))),
        ),
        results=("e:0",),
    )
    model = raws.graph(main, nothing)
    assert devices(model, LOWERS)["cond/switch_pred/0"] == "GPU"
    added = {p.op_id: p.verdict for p in predict_all(model, LOWERS).added}
    assert added["cond/switch_pred/0"] == "cpu"
    assert added["cond/pivot_t/1"] == "accelerator"


def test_a_body_may_name_an_op_around_it() -> None:
    attrs = (("_class", ("loc:@e",)),)
    inside = op("cond/then/r", "Relu", inputs="float32", function="branch", attrs=attrs)
    assert devices(graph([op("e", "Einsum", inputs="float32"), inside]), ON)["cond/then/r"] == "CPU"
