"""The arithmetic of slices, splits and joins."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any

from rotbot.shapes.equations import Paper, product_sides, sum_sides
from rotbot.shapes.trace import Step
from rotbot.shapes.work_call import Call, integers

# --- slices and pieces -----------------------------------------------------------------------------------------------


def primitive_work(step: Step) -> list[str]:
    """One primitive of an index; only slices calculate: ``slice dim 1 from 2 to 9 step 3``."""
    words = step.op.split(" ")
    paper = Paper()
    if words[0] == "slice" and len(words) >= 7:
        start, stop, stride = int(words[4]), int(words[6]), int(words[8]) if len(words) > 8 else 1
        length = paper.total(stop, -start) if start else stop
        if stride > 1:
            paper.ceiling(length, stride)
    return paper.items


def _pieces(call: Call, default_dim: int, names: str) -> tuple[int, Any]:
    """The size of the split dim, and what the split was asked for."""
    given = call.bound(names)
    asked = next((given[key] for key in (names.split()[1], "split_size_or_sections", "indices") if key in given), None)
    dim = given.get("dim", default_dim)
    return call.x[dim], asked


def _last(paper: Paper, size: int, piece: int) -> None:
    """What is left for the last piece after the full ones."""
    full = size // piece if piece else 0
    if full and size % piece:
        _minus_product(paper, size, full, piece)


def _minus_product(paper: Paper, size: int, a: int, b: int) -> None:
    """``10 - 2*4 = 10 - 8 = 2``, the product before it where it is long."""
    if len(product_sides(a, b)) > 1 or a == 1:
        paper.total(size, -paper.product((a, b)))
    else:
        paper.write(f"{size} - {a}*{b}", f"{size} - {a * b}", str(size - a * b))


def _split(call: Call) -> list[str]:
    size, piece = _pieces(call, 0, "tensor split_size dim")
    paper = Paper()
    if type(piece) is int and 0 < piece < size:
        paper.quotient(size, piece)
        _last(paper, size, piece)
    return paper.items


def _chunk(call: Call) -> list[str]:
    size, chunks = _pieces(call, 0, "input chunks dim")
    paper = Paper()
    if type(chunks) is int and chunks > 0 and size:
        _last(paper, size, paper.ceiling(size, chunks))
    return paper.items


def _tensor_split(call: Call) -> list[str]:
    default = {"hsplit": 1 if len(call.x) > 1 else 0, "dsplit": 2}.get(call.name, 0)
    size, sections = _pieces(call, default, "input indices_or_sections dim")
    given, paper = call.bound("input sections"), Paper()
    if sections is None:
        sections = given.get("sections")
    if type(sections) is int and sections > 0:
        piece = paper.quotient(size, sections)
        if size % sections:
            if piece:
                _minus_product(paper, size, sections, piece)
            paper.total(piece, 1)
    elif (points := integers(sections)) is not None:
        ends = [*[min(max(p + size if p < 0 else p, 0), size) for p in points], size]
        for start, stop in pairwise(ends):
            if 0 < start < stop:
                paper.total(stop, -start)
    return paper.items


# --- several tensors become one --------------------------------------------------------------------------------------


def _sum_along(call: Call, dim: int, alone: int = 1) -> list[str]:
    """The sizes at ``dim`` added up; tensors of fewer dims count ``alone``."""
    rank, paper = len(call.out), Paper()
    terms = [shape[dim] if len(shape) == rank else alone for shape in call.inputs if len(shape) == rank or alone]
    if len(terms) > 1 and sum(terms) == call.out[dim]:
        paper.write(*sum_sides(terms))
    return paper.items


def _cat(call: Call) -> list[str]:
    given = call.bound("tensors dim")
    return _sum_along(call, given.get("dim", 0), alone=0)


def _hstack(call: Call) -> list[str]:
    return _sum_along(call, 0 if len(call.out) == 1 else 1)


def _block_diag(call: Call) -> list[str]:
    paper = Paper()
    matrices = [(1,) * (2 - len(shape)) + tuple(shape) for shape in call.inputs]
    if len(matrices) > 1:
        for dim in (0, 1):
            paper.write(*sum_sides([matrix[dim] for matrix in matrices]))
    return paper.items


def _cartesian(call: Call) -> list[str]:
    paper = Paper()
    paper.product([prod(shape) for shape in call.inputs])
    return paper.items


def _pairs(call: Call) -> list[str]:
    """Pairs of different rows (``pdist``) or elements (``combinations`` of 2)."""
    given, size, paper = call.bound("input r with_replacement"), call.x[0], Paper()
    if call.name == "combinations" and (given.get("r", 2) != 2 or given.get("with_replacement")):
        return []
    if size > 1:
        paper.quotient(paper.product((size, paper.total(size, -1))), 2)
    return paper.items


PIECES: dict[str, Callable[[Call], list[str]]] = {
    **dict.fromkeys(("split", "unsafe_split", "split_copy"), _split),
    **dict.fromkeys(("chunk", "unsafe_chunk"), _chunk),
    **dict.fromkeys(("tensor_split", "hsplit", "vsplit", "dsplit"), _tensor_split),
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    **dict.fromkeys(("hstack", "column_stack"), _hstack),
    **dict.fromkeys(("vstack", "row_stack"), lambda call: _sum_along(call, 0)),
    "dstack": lambda call: _sum_along(call, 2),
    "block_diag": _block_diag,
    "cartesian_prod": _cartesian,
    **dict.fromkeys(("pdist", "combinations"), _pairs),
}
"""Rules by operation."""
