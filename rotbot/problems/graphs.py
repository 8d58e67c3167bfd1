"""What a trace's graph is made of: its operations by their torch names, which feeds which, and how far it goes.

Read from the recorded graph, not from the text: two spellings of an operation are one name here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from rotbot.shapes.text import as_shapes
from rotbot.shapes.trace import Ref, Shape, ShapeTrace, Step

_PRIMITIVES = (
    ("add dimension at position", "new_axis"),
    ("select index", "select_index"),
    ("slice dim", "slice"),
    ("index dim", "index"),
    ("keep all dims", "keep_all"),
    ("setitem", "setitem"),
    ("unpack into", "unpack"),
)
"""How indexing reads in a trace, and what it is called here."""

_SAME = {
    "swapaxes": "transpose", "swapdims": "transpose", "moveaxis": "movedim", "concat": "cat", "concatenate": "cat",
    "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "truediv": "div", "floordiv":
    "floor_divide", "mod": "remainder", "negative": "neg", "absolute": "abs", "row_stack": "vstack", "clip": "clamp",
    "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne", "arccos": "acos",
    "split_with_sizes": "split", "special_softmax": "softmax", "invert": "bitwise_not", "and_": "bitwise_and",
    "or_": "bitwise_or", "xor": "bitwise_xor", "pos": "positive", "batch_norm2d": "batch_norm",
    "batch_norm1d": "batch_norm", "leaky_re_lu": "leaky_relu", "re_lu": "relu", "si_lu": "silu", "ge_lu": "gelu",
    "e_lu": "elu", "se_lu": "selu", "re_lu6": "relu6", "rmsnorm": "rms_norm", "log_sigmoid": "logsigmoid",
    "instance_norm1d": "instance_norm", "instance_norm2d": "instance_norm", "upsample": "interpolate",
    "zero_pad2d": "pad", "inverse": "inv", "pinverse": "pinv",
    "mseloss": "mse_loss", "nllloss": "nll_loss", "kldiv_loss": "kl_div",
    "cross_entropy_loss": "cross_entropy", "bcewith_logits_loss": "binary_cross_entropy_with_logits",
}  # fmt: skip
"""Names of one and the same operation."""


def op_name(op: str) -> str:
    """The torch name behind a step's text: ``view(2, 3)`` → ``view``, ``Conv2d(3, 8, 3)`` → ``conv2d``."""
    return _name_of(op.partition("(")[0])


@lru_cache(maxsize=1 << 12)
def _name_of(name: str) -> str:
    for start, primitive in _PRIMITIVES:
        if name.startswith(start):
            return primitive
    if name[:1].isupper() and name not in ("T", "H"):
        name = _function_of(name)
    if name.endswith("_") and not name.endswith("__") and name not in _SAME:
        name = name.rstrip("_")
    return _SAME.get(name, name)


def _function_of(module: str) -> str:
    """``MaxPool2d`` → ``max_pool2d``."""
    out = ""
    for i, character in enumerate(module):
        before = module[i - 1] if i else ""
        out += f"_{character.lower()}" if character.isupper() and before and not before.isupper() else character.lower()
    return _SAME.get(out, out)


@dataclass(frozen=True, slots=True)
class Graph:
    """``ops`` has one name a step, ``edges`` the pairs (producer, consumer), ``depth`` the number of steps, ``rank``
    and ``size`` the greatest of any tensor, the arguments included."""

    ops: tuple[str, ...]
    edges: frozenset[tuple[str, str]]
    depth: int
    rank: int
    size: int


def graph_of(trace: ShapeTrace, arguments: tuple[Shape, ...]) -> Graph:
    """The graph of what the target (or the rejected step) depends on. ``arguments`` are the arguments' shapes."""
    ops = tuple([op_name(step.op) for step in trace.steps])
    of_node: dict[int, list[str]] = {}
    for name, step in zip(ops, trace.steps, strict=True):
        if step.node is not None:
            of_node.setdefault(step.node, []).append(name)
    edges: set[tuple[str, str]] = set()
    for index, names in of_node.items():
        edges.update(pairwise(names))
        if index >= len(trace.nodes):
            continue
        node = trace.nodes[index]
        for source in (*_refs(node.args), *_refs([value for _, value in node.kwargs])):
            if source in of_node:
                edges.add((of_node[source][-1], names[0]))
    shapes = {*arguments, *[shape for step in trace.steps for shape in _shapes(step)]}
    sizes = [size for shape in shapes for size in shape if isinstance(size, int)]
    return Graph(ops, frozenset(edges), len(ops), max(map(len, shapes), default=0), max(sizes, default=0))


def form_of(trace: ShapeTrace, arguments: tuple[tuple[Shape, str], ...]) -> str:
    """What makes two problems near-duplicates: the same operations on the same shapes to the same end, whatever the
    names, the spelling and the arguments of the calls (``arguments`` are shapes with dtypes)."""
    lines = sorted([f"{list(shape)}:{dtype}" for shape, dtype in arguments])
    lines += [
        f"{op_name(step.op)} {step.inputs} {step.outputs if step.reason is None else 'error'}" for step in trace.steps
    ]
    if trace.final is not None:
        lines.append(str(as_shapes(trace.final)))
    return "\n".join(lines)


def _shapes(step: Step) -> tuple[Shape, ...]:
    return (*step.inputs, *step.outputs)


def _refs(value: Any) -> Iterator[int]:
    kind = value.__class__
    if kind is Ref:
        yield value.node
    elif kind is tuple or kind is list:
        for item in value:
            yield from _refs(item)
