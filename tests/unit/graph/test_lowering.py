"""What TensorFlow adds to calls, loops and branches, by the names it gives."""

from __future__ import annotations

from msgspec.structs import replace
from raw_graphs import function, graph, node

from opcheck.graph import ARGUMENT, ModelGraph
from opcheck.graph.raw import RawTensor

HANDLE = RawTensor("resource", ())
BODY = function("body", node("a", "Placeholder"), node("Relu", "Relu", "a:0"), results=("Relu:0",))
COND = function("cond", node("a", "Placeholder"), node("Less", "Less", "a:0"), results=("Less:0",))
CALL = (("f", ("body",)),)
CALLING = function(
    "main",
    node("x", "Placeholder"),
    node("call", "PartitionedCall", "x:0", functions=CALL),
    node("Tanh", "Tanh", "call:0"),
    results=("Tanh:0",),
)
LOOP = (("body", ("body",)), ("cond", ("cond",)))


def wires(flat: ModelGraph) -> set[str]:
    """The data edges, the counters of what is added left out."""
    return {f"{e.src}:{e.src_output}>{e.dst}:{e.dst_input}" for e in flat.data}


def added(flat: ModelGraph) -> dict[str, str]:
    """Without the NoOps that keep the names of calls and loops."""
    return {node.id: node.op_type for node in flat.added if node.op_type != "NoOp"}


def test_a_graph_without_calls_is_as_it_is() -> None:
    main = function("main", node("x", "Placeholder"), node("Exp", "Exp", "x:0"), results=("Exp:0",))
    flat = graph(main)
    assert flat.lowered is None
    assert (flat.added, set(flat.nodes)) == ((), {"Exp"})
    assert wires(flat) == {f"{ARGUMENT}x:0>Exp:0"}


def test_a_call_gets_an_identity_for_each_argument_and_result() -> None:
    flat = graph(CALLING, BODY)
    assert wires(flat) == {
        f"{ARGUMENT}x:0>Func/call/input/0:0",
        "Func/call/input/0:0>call/Relu:0",
        "call/Relu:0>Func/call/output/0:0",
        "Func/call/output/0:0>Tanh:0",
    }
    assert [n.placed_as for n in flat.added] == ["Func/call/input", "Func/call/output", "call"]
    # Beside what they pass on; the argument of the step is where it is.
    classes = [dict(n.attrs).get("_class") for n in flat.added]
    assert classes == [None, ("loc:@call/Relu",), None]
    # TensorFlow has made everything else by the time it comes to a call.
    names = ["Tanh", "Func/call/input/0", "call/Relu", "Func/call/output/0", "call"]
    assert list(flat.nodes) == names


def test_what_a_call_inside_leaves_is_beside_the_call_itself() -> None:
    """TensorFlow inlines the outer call first: then the inner one is still a node."""
    outer = function(
        "outer",
        node("b", "Placeholder"),
        node("in", "PartitionedCall", "b:0", functions=CALL),
        results=("in:0",),
    )
    main = function(
        "main",
        node("x", "Placeholder"),
        node("out", "PartitionedCall", "x:0", functions=(("f", ("outer",)),)),
        results=("out:0",),
    )
    flat = graph(main, BODY, outer)
    assert dict(flat.nodes["Func/out/output/0"].attrs)["_class"] == ("loc:@out/in",)
    assert flat.nodes["out/in"].op_type == "NoOp"
    assert dict(flat.nodes["Func/out/in/output/0"].attrs)["_class"] == ("loc:@out/in/Relu",)


def test_a_body_placed_on_its_own_gets_nothing() -> None:
    swapped = function("body", *BODY.nodes, results=BODY.results, api_implements="lstm")
    flat = graph(CALLING, swapped)
    assert flat.lowered is not None
    assert flat.lowered.graphs == (("Tanh",), ("call/Relu",))
    assert wires(flat) == {f"{ARGUMENT}x:0>call/Relu:0", "call/Relu:0>Tanh:0"}


def test_a_loop_goes_round() -> None:
    main = function(
        "main",
        node("x", "Placeholder"),
        node("Exp", "Exp", "x:0"),
        node("while", "While", "Exp:0", functions=LOOP, trips=3),
        node("Tanh", "Tanh", "while:0"),
        results=("Tanh:0",),
    )
    flat = graph(main, BODY, COND)
    assert wires(flat) == {
        f"{ARGUMENT}x:0>Exp:0",
        "Exp:0>while/enter/0:0",
        "while/enter/0:0>while/merge/0:0",
        "while/next_iteration/0:0>while/merge/0:1",
        "while/merge/0:0>Func/while/cond/input/0:0",
        "Func/while/cond/input/0:0>while/cond/Less:0",
        "while/cond/Less:0>Func/while/cond/output/0:0",
        "Func/while/cond/output/0:0>while/LoopCond/0:0",
        "while/merge/0:0>while/switch/0:0",
        "while/LoopCond/0:0>while/switch/0:1",
        "while/switch/0:0>while/exit/0:0",
        "while/switch/0:1>while/loop_body_control/0:0",
        "while/switch/0:1>Func/while/body/input/0:0",
        "Func/while/body/input/0:0>while/body/Relu:0",
        "while/body/Relu:0>Func/while/body/output/0:0",
        "Func/while/body/output/0:0>while/next_iteration/0:0",
        "while/exit/0:0>Tanh:0",
    }
    assert flat.nodes["while/switch/0"].placed_as == "while/Exp_switch"
    # Enter and Exit are outside: they run once.
    outside = {n.op_type for n in flat.added if not n.loops}
    assert outside == {"Enter", "Exit", "NoOp"}
    # Nothing reads what only controls.
    assert [n.id for n in flat.added if not n.live] == ["while/loop_body_control/0", "while"]


def test_a_handle_does_not_go_round() -> None:
    given = replace(node("v", "Placeholder"), outputs=(HANDLE,))
    inside = replace(given, name="a")
    loop = replace(node("while", "While", "v:0", functions=LOOP), outputs=(HANDLE,))
    read = node("Read", "ReadVariableOp", "a:0")
    body = function("body", inside, read, results=("a:0",))
    cond = function("cond", inside, node("Less", "Less"), results=("Less:0",))
    use = node("Use", "ReadVariableOp", "while:0")
    flat = graph(function("main", given, loop, use, results=("Use:0",)), body, cond)
    assert set(added(flat).values()) == {"Enter", "Identity", "LoopCond"}
    assert "while/enter/0:0>Func/while/body/input/0:0" in wires(flat)
    assert f"{ARGUMENT}v:0>Use:0" in wires(flat)


def test_branches_switch_what_comes_in_and_merge_what_comes_out() -> None:
    other = function(
        "other", node("a", "Placeholder"), node("Exp", "Exp", "a:0"), results=("Exp:0",)
    )
    main = function(
        "main",
        node("p", "Placeholder"),
        node("x", "Placeholder"),
        node("Sin", "Sin", "x:0"),
        node(
            "if",
            "StatelessIf",
            "p:0",
            "Sin:0",
            functions=(("else_branch", ("other",)), ("then_branch", ("body",))),
        ),
        node("Tanh", "Tanh", "if:0"),
        results=("Tanh:0",),
    )
    flat = graph(main, BODY, other)
    assert {
        "Sin:0>if/switch/0:0",
        f"{ARGUMENT}p:0>if/switch/0:1",
        "if/switch/0:1>Func/if/then/input/0:0",
        "if/switch/0:0>Func/if/else/input/0:0",
        "Func/if/then/output/0:0>if/output/0:0",
        "Func/if/else/output/0:0>if/output/0:1",
        "if/output/0:0>Tanh:0",
        "if/switch_pred/0:1>if/pivot_t/1:0",
        "if/pivot_t/1:0>if/branch_executed/0:0",
    } <= wires(flat)
    assert dict(flat.nodes["if/switch/0"].attrs)["_class"] == ("loc:@Sin",)
    assert flat.nodes["if/switch/0"].placed_as == "if/Sin"


def test_one_of_many_branches_is_taken_by_its_number() -> None:
    branches = tuple(
        function(f"b{i}", node("a", "Placeholder"), node("Exp", "Exp", "a:0"), results=("Exp:0",))
        for i in range(3)
    )
    main = function(
        "main",
        node("i", "Placeholder"),
        node("x", "Placeholder"),
        node("case", "Case", "i:0", "x:0", functions=(("branches", ("b0", "b1", "b2")),)),
        results=("case:0",),
    )
    flat = graph(main, *branches)
    assert added(flat)["case/switch/0"] == "_SwitchN"
    assert "case/switch/0:2>Func/case/branch_2/input/0:0" in wires(flat)
    assert [t.name for t in flat.nodes["case/output/0"].inputs] == [
        "inputs[0]",
        "inputs[1]",
        "inputs[2]",
    ]
    assert len(flat.nodes["case/switch/0"].outputs) == 3


def test_what_a_device_was_asked_for_is_asked_for_again_inside() -> None:
    """A call hands its device to what asks for none (MultiDeviceFunctionBodyPlacer)."""
    main = function(
        "main",
        node("x", "Placeholder"),
        node(
            "call", "PartitionedCall", "x:0", functions=(("f", ("body",)),), device="/device:GPU:0"
        ),
        results=("call:0",),
    )
    assert graph(main, BODY).by_id["call/Relu"].device == "/device:GPU:0"


def test_a_loop_of_which_a_part_is_missing_is_left_alone() -> None:
    main = function(
        "main",
        node("x", "Placeholder"),
        node("while", "While", "x:0", functions=LOOP),
        node("Tanh", "Tanh", "while:0"),
        results=("Tanh:0",),
    )
    flat = graph(main, BODY)
    assert flat.notes == ("While while: function cond is not in the graph.",)
    assert added(flat) == {}
