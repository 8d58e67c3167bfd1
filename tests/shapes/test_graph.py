"""The graph of a trace is a real ``torch.fx`` graph: it runs on real tensors, and its nodes say what they are."""

from __future__ import annotations

import operator
import warnings

import pytest
import torch
from hypothesis import given, settings
from torch import fx

import rotbot
from rotbot.shapes.source import free_names
from rotbot.shapes.trace import Span
from tests.shapes import eager
from tests.shapes.models import PROGRAMS
from tests.shapes.programs import Program, programs
from tests.shapes.snippets import ALL, ARGS

Described = list[tuple[tuple[int, ...], torch.dtype]]


def run(trace: rotbot.ShapeTrace, args: dict[str, str]) -> dict[fx.Node, Described]:
    """Run the graph on real tensors; every node's result when it was made. Inline modules move to the CPU."""
    graph = trace.graph
    graph.lint()
    module = fx.GraphModule(graph.owning_module, graph).to_empty(device="cpu")
    results: dict[fx.Node, Described] = {}

    class Kept(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            value = super().run_node(n)
            results[n] = tensors(value)
            return value

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Kept(module).run(*eager.real_args(args).values())
    return results


def described(meta: object) -> Described:
    """Shapes and dtypes of a node's ``tensor_meta``, one entry a tensor."""
    metas = [meta] if isinstance(meta, fx.passes.shape_prop.TensorMetadata) else meta
    return [(tuple(item.shape), item.dtype) for item in metas]  # type: ignore[union-attr]


def tensors(value: object) -> Described:
    if isinstance(value, torch.Tensor):
        return [(tuple(value.shape), value.dtype)]
    return [found for item in value for found in tensors(item)] if isinstance(value, (tuple, list)) else []


def test_every_graph_runs_on_real_tensors_to_the_shapes_and_dtypes_it_claims() -> None:
    for code in (*ALL, *PROGRAMS.values()):
        args = {name: ARGS[name] for name in free_names(code) if name in ARGS}
        for node, value in run(rotbot.trace(code, args), args).items():
            if "tensor_meta" in node.meta:
                assert value == described(node.meta["tensor_meta"]), f"{node.format_node()} in\n{code}"


@settings(max_examples=60)
@given(programs(wrong=False, max_lines=5))
def test_the_graph_of_a_generated_program_runs(program: Program) -> None:
    args = {name: ",".join(map(str, shape)) for name, shape in program.args.items()}
    for node, value in run(rotbot.trace(program.code, program.args), args).items():
        if "tensor_meta" in node.meta:
            assert value == described(node.meta["tensor_meta"]), program.code


def test_nodes_carry_their_metadata_span_name_and_shape_reads() -> None:
    graph = rotbot.trace(
        "h = x.relu()\nn = h.shape[0]\nr = torch.zeros(n, 2) + \\\n    nn.Linear(3, 2)(x)", {"x": [4, 3]}
    ).graph
    x, relu, zeros, linear, add, output = graph.nodes
    assert [node.op for node in graph.nodes] == [
        "placeholder", "call_method", "call_function", "call_module", "call_function", "output",
    ]  # fmt: skip
    assert (relu.target, zeros.target, add.target) == ("relu", torch.zeros, operator.add)
    assert add.args == (zeros, linear)
    assert [node.meta["name"] for node in (x, relu, zeros, linear, add)] == ["x", "h", None, None, "r"]
    assert relu.meta["span"] == Span(1, 4, 1, 12)
    assert add.meta["span"] == Span(3, 4, 4, 22)
    assert (zeros.meta["reads"], relu.meta["reads"]) == ((relu,), ())
    meta = add.meta["tensor_meta"]
    assert (meta.shape, meta.dtype) == (torch.Size([4, 2]), torch.float32)
    layer = graph.owning_module.get_submodule(linear.target)
    assert isinstance(layer, torch.nn.Linear)
    assert (layer.in_features, layer.out_features, layer.weight.device.type) == (3, 2, "meta")
    assert output.args == (add,)


def test_one_of_several_results_is_a_getitem_node() -> None:
    graph = rotbot.trace("o, (h, c) = nn.LSTM(3, 2)(x)\nr = h + c", {"x": [5, 3]}).graph
    add = next(node for node in graph.nodes if node.target is operator.add)
    hidden, cell = add.args
    assert (hidden.target, hidden.args[1], cell.args[1]) == (operator.getitem, 0, 1)
    assert hidden.args[0] is cell.args[0]
    assert hidden.args[0].args[1] == 1
    lstm = hidden.args[0].args[0]
    assert [tuple(meta.shape) for meta in lstm.meta["tensor_meta"]] == [(5, 2), (1, 2), (1, 2)]


def test_a_parameter_is_a_get_attr_node_of_its_module() -> None:
    graph = rotbot.trace("m = nn.MultiheadAttention(8, 2)\nr = x @ m.in_proj_weight.T", {"x": [5, 8]}).graph
    get = next(node for node in graph.nodes if node.op == "get_attr")
    assert get.target == "multiheadattention_1.in_proj_weight"
    assert tuple(get.meta["tensor_meta"].shape) == (24, 8)
    assert isinstance(graph.owning_module.get_submodule("multiheadattention_1"), torch.nn.MultiheadAttention)


def test_a_parameter_of_a_module_in_a_module_is_found_there() -> None:
    code = "m = nn.MultiheadAttention(8, 2)\nr = list(m.parameters())[2] @ x"
    graph = rotbot.trace(code, {"x": [8]}).graph
    targets = [node.target for node in graph.nodes if node.op == "get_attr"]
    assert [target.partition(".")[2] for target in targets] == [
        "in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias",
    ]  # fmt: skip
    assert rotbot.trace(code, {"x": [8]}).final == (8,)


def test_what_follows_an_assigned_item_uses_the_changed_tensor() -> None:
    trace = rotbot.trace("h = x.clone()\nh[0] = 1\nr = h + 1", {"x": [4, 3]})
    _, clone, setitem, add, _ = trace.graph.nodes
    assert (setitem.target, setitem.args) == (operator.setitem, (clone, 0, 1))
    assert (add.args, "tensor_meta" in setitem.meta) == ((clone, 1), False)
    assert [step.op for step in rotbot.trace("h = x.clone()\nh[0] = 1\nr = h + 1", {"x": [4, 3]}, "r").steps] == [
        "clone", "setitem [0] = 1", "add(1)",
    ]  # fmt: skip


def test_a_rejected_program_has_the_graph_of_what_came_before() -> None:
    trace = rotbot.trace("h = x.relu()\nr = h.view(5)", {"x": [2, 3]})
    assert [node.op for node in trace.graph.nodes] == ["placeholder", "call_method", "output"]


def test_an_empty_program_is_refused_before_there_is_a_graph() -> None:
    with pytest.raises(rotbot.errors.UnsupportedSnippet, match="makes no tensor"):
        rotbot.trace("n = 3", {"x": [2]})
