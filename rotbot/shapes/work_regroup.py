"""The arithmetic of regrouping: view, reshape, flatten, unflatten, ravel.

It goes from the left: as long as the sizes differ, the smaller one is multiplied by its next neighbour, until both are
equal (``[2, 10, 32]`` as ``(20, 4, 8)``: ``2*10 = 20, 4*8 = 32``). Where a ``-1`` comes, the same goes on from the
right; what is left over is divided, at once where that comes out even (``[12, 56]`` as ``(4, -1)``: ``12//4 = 3,
3*56 = 168``), else at the end (``[4, 6]`` as ``(3, -1)``: ``4*6 = 24, 24//3 = 8``). Sizes of 1 play no part.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from rotbot.shapes.equations import Paper
from rotbot.shapes.trace import Step
from rotbot.shapes.work_call import Call, integers


class _Side:
    """Old and new sizes matched from one end; ``flipped`` when they come from the right."""

    def __init__(self, paper: Paper, old: list[int], new: list[int], flipped: bool) -> None:
        self.paper, self.old, self.new, self.flipped = paper, old, new, flipped
        self.open: tuple[int, int] | None = None
        """The old and the new product that could not be made equal, if the end came before that."""

    def run(self) -> None:
        while self.open is None and self.old and self.new:
            a, b = self.old.pop(0), self.new.pop(0)
            while a != b:
                rest = self.old if a < b else self.new
                if not rest:
                    self.open = (a, b)
                    return
                a, b = (self._times(a, rest), b) if a < b else (a, self._times(b, rest))

    def _times(self, left: int, rest: list[int]) -> int:
        right = rest.pop(0)
        return self.paper.product((right, left) if self.flipped else (left, right))


def _regroup(paper: Paper, shape: Sequence[int], sizes: Sequence[int], divide: bool = True) -> None:
    """``shape`` as ``sizes``, one of which may be -1. Without ``divide`` the last quotient is left out."""
    old, new = [n for n in shape if n != 1], [n for n in sizes if n != 1]
    gap = new.index(-1) if -1 in new else len(new)
    left = _Side(paper, old, new[:gap], flipped=False)
    left.run()
    if gap == len(new):
        return
    right = _Side(paper, left.old[::-1], new[:gap:-1], flipped=True)
    right.run()
    first, last = _open_end(paper, left.open), _open_end(paper, right.open)
    known = paper.product([*first[1], *last[1], *right.new])
    number = paper.product([*first[0], *right.old[::-1], *last[0]])
    if divide and known:
        paper.quotient(number, known)


def _open_end(paper: Paper, left_over: tuple[int, int] | None) -> tuple[list[int], list[int]]:
    """What an end leaves for the -1: factors of the old sizes and of the new ones, divided at once if that is even."""
    if left_over is None:
        return [], []
    a, b = left_over
    return ([paper.quotient(a, b)], []) if b and a % b == 0 else ([a], [b])


def _view(call: Call) -> list[str]:
    sizes, paper = call.sizes("size", "shape"), Paper()
    if sizes is not None:
        _regroup(paper, call.x, sizes)
    return paper.items


def _unflatten(call: Call) -> list[str]:
    given = call.options("dim sizes", "dim sizes")
    sizes, paper = integers(given.get("sizes", given.get("unflattened_size"))), Paper()
    if sizes is not None and isinstance(given.get("dim"), int):
        _regroup(paper, [call.x[given["dim"]]], sizes)
    return paper.items


def _flatten(call: Call) -> list[str]:
    given, rank = call.options("start_dim end_dim"), len(call.x)
    start, end = given.get("start_dim", 0 if call.module is None else 1), given.get("end_dim", -1)
    paper = Paper()
    if rank and isinstance(start, int) and isinstance(end, int):
        paper.product(call.x[start % rank : end % rank + 1])
    return paper.items


def _ravel(call: Call) -> list[str]:
    paper = Paper()
    paper.product(call.x)
    return paper.items


def rejected_work(step: Step) -> list[str]:
    """The counts of elements that a rejected ``view`` or ``reshape`` compares, after what was tried."""
    name, _, arguments = step.op.partition("(")
    counts = " not fit [" in (step.reason or "") or " is not divisible by " in (step.reason or "")
    if name not in ("view", "reshape") or not counts or len(step.inputs) != 1:
        return []
    try:
        given = ast.literal_eval(arguments.removesuffix(")"))
    except (ValueError, SyntaxError):
        return []
    sizes, shape, paper = integers([given] if isinstance(given, int) else given), integers(step.inputs[0]), Paper()
    if sizes is not None:
        _regroup(paper, shape or [], sizes, divide=False)
        paper.product(shape or [])
        paper.product([size for size in sizes if size != -1])
    return paper.items


REGROUPING: dict[str, Callable[[Call], list[str]]] = {
    **dict.fromkeys(("Tensor.view", "view_copy", "reshape"), _view),
    **dict.fromkeys(("unflatten", "Unflatten"), _unflatten),
    **dict.fromkeys(("flatten", "Flatten"), _flatten),
    "ravel": _ravel,
}
"""Rules by operation: the full name where two operations share the short one."""
