"""What ``torch.fx`` itself says: ``symbolic_trace`` + ``ShapeProp`` on our own snippets, and the form to compare it in.

Normalized away, on both sides:

- nodes that are no tensors (``x.shape``, ``getitem`` and arithmetic on sizes, ``x.dim()``): we compute these as Python;
- what does not depend on an argument: ``symbolic_trace`` executes ``torch.ones(5, 5)`` and keeps the constant;
- picking one of several results, by ``getitem`` or by name (``.values``): recorded there where it is written, by us
  where it is used;
- the in-place operators: ``symbolic_trace`` takes ``a += b`` for ``a = a + b``;
- whether an operation was spelled as function or method: ``torch.relu(x)`` and ``x.relu()`` compare by name;
- the arguments, the placeholders and the output node.
"""

from __future__ import annotations

import operator
import textwrap
import warnings
from collections.abc import Mapping
from typing import Any

from torch import fx
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata

from rotbot.shapes.arguments import ArgLike
from tests.shapes import eager

IN_PLACE = "iadd isub imul itruediv ifloordiv imod ipow iand ior ixor ilshift irshift".split()
Ops = list[tuple[str, Any]]
"""Each operation's name and the shape, or the nested shapes, of its result."""


def trace(code: str, args: Mapping[str, ArgLike], result: str) -> fx.Graph:
    """``code`` as a function that returns ``result``, symbolically traced, with shapes propagated.

    Raises whatever ``symbolic_trace`` raises on code that it cannot trace.
    """
    body = textwrap.indent(textwrap.dedent(code), "    ")
    scope = eager.namespace()
    exec(f"def program({', '.join(args)}):\n{body}\n    return {result}", scope)
    module = fx.symbolic_trace(scope["program"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ShapeProp(module).propagate(*eager.real_args(args).values())
    return module.graph


def ops(graph: fx.Graph) -> Ops:
    """The normalized operations of a graph, in order."""
    found: Ops = []
    variable: set[fx.Node] = set()
    for node in graph.nodes:
        shapes = _shapes(node.meta.get("tensor_meta"))
        if node.op == "placeholder" or variable.intersection((*node.all_input_nodes, *node.meta.get("reads", ()))):
            variable.add(node)
            if node.op not in ("placeholder", "output") and shapes is not None and not _picks_a_result(node):
                found.append((_name(node), shapes))
    return found


def _picks_a_result(node: fx.Node) -> bool:
    source = node.args[0] if node.args else None
    picks = node.target in (operator.getitem, getattr) and isinstance(source, fx.Node)
    return picks and isinstance(_shapes(source.meta.get("tensor_meta")), list)


def _shapes(meta: Any) -> Any:
    if isinstance(meta, TensorMetadata):
        return tuple(meta.shape)
    if isinstance(meta, (tuple, list)):
        found = [shape for item in meta if (shape := _shapes(item)) is not None]
        return found or None
    return None


def _name(node: fx.Node) -> str:
    if node.target is getattr:
        return str(node.args[1])
    name = node.target if isinstance(node.target, str) else node.target.__name__
    return (name[1:] if name in IN_PLACE else name.rpartition(".")[2]).rstrip("_")
