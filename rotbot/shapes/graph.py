"""A recorded program as a ``torch.fx.Graph``."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import torch
from torch import fx
from torch.fx.passes.shape_prop import TensorMetadata

from rotbot.shapes.allowlist import ATTRIBUTES, CONSTANTS, DTYPES, FUNCTIONS
from rotbot.shapes.metadata import ModuleSpec
from rotbot.shapes.running import build_module
from rotbot.shapes.trace import Named, Node, Part, Ref


def build_graph(nodes: tuple[Node, ...]) -> fx.Graph:
    """One fx node an operation, in program order, as ``symbolic_trace`` would have made them.

    Each node's ``meta`` has ``tensor_meta`` (a ``TensorMetadata``, or a tuple of them), ``span``, ``name`` and
    ``reads``, the nodes whose shapes it was computed from. Inline modules become submodules (on the meta device) of
    ``graph.owning_module``. The last operation is the output. Assigning to an item makes no tensor, hence no
    ``tensor_meta``.
    """
    root = torch.nn.Module()
    graph = fx.Graph(root)  # pyright: ignore[reportArgumentType]
    made: list[fx.Node] = []
    parts: dict[tuple[int, tuple[int, ...]], fx.Node] = {}

    def resolve(value: Any) -> Any:
        if isinstance(value, Ref):
            return _part(graph, made, parts, value)
        if isinstance(value, Named):
            return CONSTANTS[value.name]
        if isinstance(value, (tuple, list)):
            return type(value)([resolve(item) for item in value])
        if isinstance(value, slice):
            return slice(resolve(value.start), resolve(value.stop), resolve(value.step))
        return value

    for index, node in enumerate(nodes):
        args = tuple([resolve(arg) for arg in node.args])
        kwargs = {name: resolve(value) for name, value in node.kwargs}
        added = _add(graph, root, index, node, args, kwargs)
        reads = tuple([made[read] for read in node.reads])
        added.meta.update(span=node.span, name=node.name, reads=reads)
        if node.target == "operator.setitem":
            made.append(args[0])  # it returns nothing: what follows uses the tensor it changed
        else:
            added.meta["tensor_meta"] = _tensor_meta(node)
            made.append(added)
    if made:
        graph.output(made[-1])
    return graph


def _add(
    graph: fx.Graph, root: torch.nn.Module, index: int, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> fx.Node:
    name = node.target.rpartition(".")[2]
    match node.kind:
        case "placeholder":
            return graph.placeholder(node.target)
        case "call_method":
            return graph.call_method(name, args, kwargs)
        case "call_module":
            path = f"{name.lower()}_{index}"
            root.add_module(path, _module(node.target, node))
            return graph.call_module(path, args, kwargs)
        case "get_attr":
            prefix, owner, attribute = node.target.split(".", 2)
            path = f"{owner.lower()}_{index}"
            root.add_module(path, _module(f"{prefix}.{owner}", node))
            return graph.get_attr(f"{path}.{attribute}")
        case _ if node.target.startswith("Tensor.") and name in ATTRIBUTES:
            return graph.call_function(getattr, (*args, name))
        case _ if node.target == "operator.setitem":
            return graph.call_function(operator.setitem, args)
        case _:
            return graph.call_function(FUNCTIONS[node.target], args, kwargs)


def _module(target: str, node: Node) -> torch.nn.Module:
    assert node.module is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a faster way that torch cannot take
        return build_module(_spec(Part(target, *node.module)), "meta")


def _spec(part: Part) -> ModuleSpec:
    def value(item: Any) -> Any:
        if isinstance(item, Part):
            return _spec(item)
        if isinstance(item, tuple):
            return tuple([value(each) for each in item])
        return CONSTANTS[item.name] if isinstance(item, Named) else item

    return ModuleSpec(part.target, value(part.args), value(part.kwargs), dtype=value(part.dtype))


def _part(graph: fx.Graph, made: list[fx.Node], parts: dict[tuple[int, tuple[int, ...]], fx.Node], ref: Ref) -> fx.Node:
    """The fx node of one result: the operation itself, or ``getitem`` nodes on the way into its tuple."""
    if not ref.path:
        return made[ref.node]
    key = (ref.node, ref.path)
    if key not in parts:
        parent = _part(graph, made, parts, Ref(ref.node, ref.path[:-1]))
        parts[key] = graph.call_function(operator.getitem, (parent, ref.path[-1]))
    return parts[key]


def _tensor_meta(node: Node) -> TensorMetadata | tuple[TensorMetadata, ...]:
    metas = tuple(
        [
            TensorMetadata(torch.Size(shape), DTYPES[f"torch.{dtype}"], False, (), None, False, {})  # pyright: ignore[reportArgumentType]
            for shape, dtype in zip(node.shapes, node.dtypes, strict=True)
        ]
    )
    return metas[0] if node.paths == ((),) else metas
