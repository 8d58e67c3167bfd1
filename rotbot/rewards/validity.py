"""Is a claimed step right by itself: does its operation, on the inputs it claims, give the outputs it claims?

A step is read back into the one-line programs it may stand for (``cat(dim=1)`` is ``torch.cat([a, b], dim=1)``), and
these are traced as any program is: interpreted over tables of allowed names, never executed. The step is valid if one
of them is traced to that very step. A step does not say its tensors' dtypes, so those that matter are tried in turn.

Only literals may stand among the arguments: what a model writes here cannot compute anything. Steps with symbolic
dimensions are not looked into: valid is then only what is true.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from rotbot.errors import RotbotError
from rotbot.shapes import ArgSpec, trace
from rotbot.shapes.trace import Shape, Step

MAX_OP, MAX_INPUTS, MAX_RANK, MAX_DIM = 300, 16, 16, 2**31
STEPS_KEPT = 1 << 16

_NAMESPACES = ("torch", "F", "torch.linalg", "torch.fft", "torch.special")
_DTYPES = (
    ("float32", "float32"), ("float32", "int64"), ("int64", "float32"), ("int64", "int64"), ("float32", "bool"),
    ("bool", "float32"), ("bool", "bool"), ("complex64", "complex64"),
)  # fmt: skip
"""Dtypes of the first tensor and of the others."""

_ADD = re.compile(r"add dimension at position ([0-9]{1,2})")
_SELECT = re.compile(r"select index (-?[0-9]{1,9}|_) of dim ([0-9]{1,2})")
_SLICE = re.compile(r"slice dim ([0-9]{1,2}) from ([0-9]{1,10}) to ([0-9]{1,10})(?: step ([0-9]{1,10}))?")
_GATHER = re.compile(r"index dims? ([0-9]{1,2}(?:, [0-9]{1,2})*) with (\[.*\])")


@lru_cache(maxsize=STEPS_KEPT)
def is_locally_valid(step: Step) -> bool:
    """Whether the step's operation, applied to the inputs it claims, gives the outputs (or the rejection) it claims.

    False for what cannot be run: an unknown operation, arguments that are not literals, symbolic dimensions. Never
    raises on what a model wrote.
    """
    if not _is_small(step):
        return False
    for code in _programs(step.op, len(step.inputs)):
        rejected = False
        for first, others in _DTYPES if step.inputs else _DTYPES[:1]:
            found = _run(code, step.inputs, first, others)
            if found is None:
                break
            if found.op == step.op and found.inputs == step.inputs:
                if found.reason is None:
                    if found.outputs == step.outputs and step.reason is None:
                        return True
                    break
                rejected = rejected or found.reason == step.reason
        else:
            if rejected:
                return True
    return False


def _is_small(step: Step) -> bool:
    shapes = (*step.inputs, *step.outputs[:MAX_INPUTS])
    return (
        len(step.op) <= MAX_OP
        and len(step.inputs) <= MAX_INPUTS
        and all(len(shape) <= MAX_RANK for shape in shapes)
        and all(isinstance(dim, int) and dim < MAX_DIM for shape in shapes for dim in shape)
    )


def _run(code: str, inputs: tuple[Shape, ...], first: str, others: str) -> Step | None:
    """The only step of the program on tensors of these shapes and dtypes; None if it cannot be traced to one step."""
    args = {f"t{i}": ArgSpec(shape, others if i else first) for i, shape in enumerate(inputs)}
    try:
        found = trace(code, args)
    except RotbotError:
        return None
    return found.steps[0] if len(found.steps) == 1 else None


def _programs(op: str, tensors: int) -> Iterator[str]:
    """The one-line programs that a step's operation may stand for, its inputs ``t0``, ``t1``, …"""
    indexed = _index(op, tensors)
    if indexed is not None:
        yield f"y = t0[{indexed}]"
        return
    name, parenthesis, rest = op.partition("(")
    if not name.isidentifier() or not name.isascii():
        return
    arguments = _arguments(rest, tensors) if parenthesis else ("", tensors)
    if arguments is None:
        return
    own, leading = arguments
    before = [f"t{i}" for i in range(leading)]

    def call(function: str, first: list[str]) -> str:
        return f"y = {function}({', '.join([*first, own] if own else first)})"

    if leading:
        if not parenthesis and leading == 1:
            yield f"y = t0.{name}"
        yield call(f"t0.{name}", before[1:])
    for namespace in _NAMESPACES:
        yield call(f"{namespace}.{name}", before)
    if leading:
        for namespace in _NAMESPACES:
            yield call(f"{namespace}.{name}", [f"[{', '.join(before)}]"])
        yield f"{call(f'nn.{name}', [])}({', '.join(before)})"


def _arguments(text: str, tensors: int) -> tuple[str, int] | None:
    """The arguments of ``name(…)`` as code, ``_`` the inputs that are left, and how many inputs stand before them.

    None unless they are literals, names of torch's constants or ``_``.
    """
    try:
        call = ast.parse(f"f({text}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "f":
        return None
    nodes = [*call.args, *[keyword.value for keyword in call.keywords]]
    if any(keyword.arg is None for keyword in call.keywords) or not all(map(_is_literal, nodes)):
        return None
    names = [node for root in nodes for node in ast.walk(root) if isinstance(node, ast.Name)]
    leading = tensors - sum([name.id == "_" for name in names])
    if leading < 0:
        return None
    number = leading
    for name in names:
        if name.id == "_":
            name.id = f"t{number}"
            number += 1
        elif name.id != "torch":
            name.id = f"math.{name.id}"
    return ast.unparse(call)[2:-1], leading


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and _is_literal(node.operand)
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(map(_is_literal, node.elts))
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "torch"
    return isinstance(node, ast.Name) and node.id in ("_", "inf", "nan")


def _index(op: str, tensors: int) -> str | None:
    """The index between brackets that a primitive of indexing stands for; None if the operation is none."""
    if found := _ADD.fullmatch(op):
        return ":, " * int(found[1]) + "None"
    if found := _SELECT.fullmatch(op):
        return ":, " * int(found[2]) + ("t1" if found[1] == "_" else found[1])
    if found := _SLICE.fullmatch(op):
        return ":, " * int(found[1]) + f"{found[2]}:{found[3]}" + (f":{found[4]}" if found[4] else "")
    if found := _GATHER.fullmatch(op):
        return _gathered([int(dim) for dim in found[1].split(", ")], found[2], tensors)
    return None


def _gathered(dims: list[int], shapes: str, tensors: int) -> str | None:
    """``index dims 0, 2 with [3], [3]``: by tensors if there is an input for each, else by lists of zeros."""
    parts = shapes.split("], [")
    if dims != sorted(set(dims)) or len(parts) != len(dims) or dims[-1] > MAX_RANK:
        return None
    if tensors - 1 == len(dims):
        items = [f"t{i + 1}" for i in range(len(dims))]
    else:
        sizes = [part.strip("[]") for part in parts]
        if not all(size.isascii() and size.isdigit() and int(size) <= MAX_OP for size in sizes):
            return None
        items = [str([0] * int(size)) for size in sizes]
    return ", ".join([items[dims.index(dim)] if dim in dims else ":" for dim in range(dims[-1] + 1)])
