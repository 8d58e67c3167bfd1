"""Reasons for products: matmul and its kin, einsum, tensordot, linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from rotbot.shapes.metadata import TensorMeta
from rotbot.shapes.rejected import (
    Call,
    at_least_rank,
    broadcast_fault,
    count,
    dimensions,
    expand_fault,
    expected_rank,
    not_square,
)
from rotbot.shapes.text import render_shape


def inner_fault(a: TensorMeta, b: TensorMeta) -> str | None:
    """The reason if the last dimension of ``a`` is not the one that ``b`` is multiplied along."""
    left, right = a.shape[-1], b.shape[-2 if len(b.shape) > 1 else -1]
    return None if left == right else f"inner dimensions {left} and {right} differ"


def _matmul(call: Call) -> str | None:
    a, b = call.tensor(0, "input"), call.tensor(1, "other", "tensor2")
    if a is None or b is None:
        return None
    reason = at_least_rank(a, 1) or at_least_rank(b, 1) or inner_fault(a, b)
    return reason or broadcast_fault(a.shape[:-2], b.shape[:-2], offset=2)


def _product(first: int, rank_a: int, rank_b: int) -> Callable[[Call], str | None]:
    """A product of operands of fixed ranks, the first of which is argument number ``first``; before it, a summand."""

    def rule(call: Call) -> str | None:
        a = call.tensor(first, "input", "batch1", "mat1", "mat")
        b = call.tensor(first + 1, "mat2", "vec", "vec2", "batch2", "other", "tensor")
        if a is None or b is None:
            return None
        reason = expected_rank(a, rank_a) or expected_rank(b, rank_b)
        if reason is None and rank_a == 3 and a.shape[0] != b.shape[0]:
            reason = f"batch sizes {a.shape[0]} and {b.shape[0]} differ"
        reason = reason or inner_fault(a, b)
        summand = call.tensor(0, "input") if first else None
        if reason is None and summand is not None:
            result = (*a.shape[:-1], *b.shape[-1:]) if rank_b > 1 else a.shape[:-1]
            reason = expand_fault(summand.shape, result[1:] if call.name.startswith("addbmm") else result)
        return reason

    return rule


def _dot(call: Call) -> str | None:
    a, b = call.tensor(0, "input"), call.tensor(1, "other", "tensor", "vec2")
    if a is None or b is None:
        return None
    reason = expected_rank(a, 1) or expected_rank(b, 1)
    if reason is None and a.shape != b.shape and call.name not in ("outer", "ger"):
        reason = f"sizes {a.shape[0]} and {b.shape[0]} differ"
    return reason


def _last_sizes(call: Call) -> str | None:
    a, b = call.tensor(0, "input", "x1"), call.tensor(1, "other", "x2")
    if a is None or b is None or not a.shape or not b.shape:
        return None
    reason = at_least_rank(a, 2) or at_least_rank(b, 2) if call.name == "cdist" else None
    if reason is None and a.shape[-1] != b.shape[-1]:
        reason = f"sizes {a.shape[-1]} and {b.shape[-1]} differ at dim -1"
    return reason


def _chain(call: Call) -> str | None:
    for a, b in pairwise(call.tensors()):
        if a.shape and b.shape and inner_fault(a, b):
            return inner_fault(a, b)
    return None


def _tensordot(call: Call) -> str | None:
    a, b, dims = call.tensor(0, "a"), call.tensor(1, "b"), call.get(2, "dims", default=2)
    if a is None or b is None:
        return None
    if isinstance(dims, int):
        if dims < 0 or dims > min(len(a.shape), len(b.shape)):
            return f"cannot contract {dims} dimensions of {len(a.shape)} and {len(b.shape)}"
        pairs = list(zip(a.shape[len(a.shape) - dims :], b.shape, strict=False))
    else:
        try:
            left, right = dims
            if len(left) != len(right):
                return f"{len(left)} and {len(right)} dims to contract"
            pairs = [(a.shape[i], b.shape[j]) for i, j in zip(left, right, strict=True)]
        except (TypeError, ValueError, IndexError):
            return None
    return next((f"contracted sizes {x} and {y} differ" for x, y in pairs if x != y), None)


def _einsum(call: Call) -> str | None:
    equation = call.get(0, "equation")
    operands = [meta.shape for meta in call.tensors()]
    if not isinstance(equation, str):
        return None
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        return f"{count(len(terms), 'subscript')} for {count(len(operands), 'operand')}"
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, operands, strict=True):
        letters = len(term.replace("...", ""))
        if letters != len(shape) and ("..." not in term or letters > len(shape)):
            return f"subscript '{term}' names {dimensions(letters)}, the operand has {len(shape)}"
        head, _, tail = term.partition("...")
        named = [*zip(head, shape, strict=False), *zip(reversed(tail), reversed(shape), strict=False)]
        own: dict[str, int] = {}
        for letter, size in named:
            known = own.get(letter, size) if letter in own else sizes.get(letter, size)
            if size != known and (letter in own or 1 not in (size, known)):
                return f"subscript '{letter}' has sizes {known} and {size}"
            own[letter] = size
            sizes[letter] = max(size, known) if 0 not in (size, known) else 0
    for letter in output.replace("...", "") if arrow else "":
        if letter not in sizes:
            return f"output subscript '{letter}' is in no input"
        if output.count(letter) > 1:
            return f"output subscript '{letter}' appears twice"
    return None


def _square(call: Call) -> str | None:
    a = call.tensor(0, "input", "A")
    return None if a is None else not_square(a)


def _solve(call: Call) -> str | None:
    a, b = call.tensor(0, "input", "A"), call.tensor(1, "B", "other")
    if a is None or b is None:
        return None
    reason = not_square(a)
    if reason is None and b.shape and a.shape[-1] not in b.shape[-2:]:
        reason = f"{render_shape(a.shape)} and {render_shape(b.shape)} do not make an equation"
    return reason


def _matrix(call: Call) -> str | None:
    a = call.tensor(0, "input", "A")
    return None if a is None else at_least_rank(a, 2)


def _cross(call: Call) -> str | None:
    a, b, dim = call.tensor(0, "input"), call.tensor(1, "other"), call.integer(2, "dim", default=-1)
    if a is None or b is None or dim is None:
        return None
    reason = broadcast_fault(a.shape, b.shape)
    if reason is None and -len(a.shape) <= dim < len(a.shape) and a.shape[dim] != 3:
        reason = f"expected size 3 at dim {dim}, got {a.shape[dim]}"
    return reason


RULES: dict[str, Callable[[Call], str | None]] = {
    "matmul": _matmul, "mm": _product(0, 2, 2), "bmm": _product(0, 3, 3), "mv": _product(0, 2, 1),
    "addmm": _product(1, 2, 2), "baddbmm": _product(1, 3, 3), "addbmm": _product(1, 3, 3), "addmv": _product(1, 2, 1),
    "dot": _dot, "vdot": _dot, "outer": _dot, "ger": _dot, "inner": _last_sizes, "cdist": _last_sizes,
    "chain_matmul": _chain, "multi_dot": _chain, "tensordot": _tensordot, "einsum": _einsum,
    **dict.fromkeys(
        "inverse inv inv_ex det logdet slogdet cholesky cholesky_ex eig eigh eigvals eigvalsh matrix_exp matrix_power "
        "lu_factor ldl_factor cholesky_inverse".split(), _square),
    **dict.fromkeys("solve solve_ex".split(), _solve),
    **dict.fromkeys("qr svd svdvals pinv pinverse matrix_rank mT mH adjoint tril triu matrix_norm lu".split(), _matrix),
    "cross": _cross,
}  # fmt: skip
"""By the operation's name: the reason, or None where the rule finds nothing wrong."""
