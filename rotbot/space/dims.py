"""Which dimension of a step's inputs goes into which of its output: what a picture of the step draws as lines.

They follow from the shapes, and from the operation where these do not tell (one that permutes, reduces or selects among
dimensions of equal size, or changes a size in its place): a drawing aid, not a proof.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from math import prod

from rotbot.shapes.source import PARSING
from rotbot.shapes.symbols_text import parse
from rotbot.shapes.trace import Shape

Link = tuple[int, int]
"""A dimension of the input and one of the output that it goes into."""

_REDUCING = frozenset(
    "sum nansum mean nanmean prod amax amin max min argmax argmin std var all any median nanmedian mode logsumexp "
    "count_nonzero select unbind squeeze".split()
)
"""Operations whose first argument, or ``dim``, names the dimensions that they take away."""
_SELECTED = re.compile(r"select index \S+ of dim (\d+)")
_PRODUCTS = frozenset("matmul bmm mm".split())
_LAST_IS_NEW = _PRODUCTS | {"linear", "Linear"}
_IN_PLACE = re.compile(
    r"slice dim \d+ .*|(chunk|split|tensor_split|hsplit|vsplit|narrow|cat|concat|hstack|vstack|pad|expand|expand_as|"
    r"repeat|tile|topk|diff|index_select|broadcast_to|interpolate|\w*_?pool[123]d|\w*Pool[123]d)\b.*"
)
"""Operations that may change the size of a dimension and leave it where it is (counted from the right)."""
_CONVOLUTION = re.compile(r"(conv(?:_transpose)?|Conv(?:Transpose)?)([123])d")


def links(op: str, inputs: Sequence[Shape], after: Shape) -> list[list[Link]]:
    """Which dimension of each of the ``inputs`` goes where, when ``op`` makes ``after``."""
    name = op.partition("(")[0]
    if name == "scaled_dot_product_attention":
        return [_attended(place, shape, after) for place, shape in enumerate(inputs)]
    convolution = _CONVOLUTION.fullmatch(name)
    if convolution is not None:
        channels = len(after) - 1 - int(convolution[2])
        spatial = [(i, j) for i, j in _aligned(inputs[0], after) if j != channels]
        transposed = "ranspose" in name
        return [spatial, [(1 if transposed else 0, channels)]][: len(inputs)]
    if name == "stack":
        return [_stacked(op, shape) for shape in inputs]
    if name == "unfold" and len(after) == len(inputs[0]) + 1:
        return [[(i, i) for i in range(len(inputs[0]))]]
    if len(inputs) > 1 and name not in _LAST_IS_NEW and _broadcast(inputs, after):
        return [_aligned(shape, after) for shape in inputs]
    if _IN_PLACE.fullmatch(op) and all(len(shape) <= len(after) for shape in inputs):
        return [_aligned(shape, after) for shape in inputs]
    return [_first(op, inputs[0], after), *[_second(name, shape, after) for shape in inputs[1:]]]


def _attended(place: int, shape: Shape, after: Shape) -> list[Link]:
    """Of a query all but its features, of a key the batch alone, of a value the batch and its features."""
    kept = {0: range(len(shape) - 1), 1: range(len(shape) - 2), 2: [*range(len(shape) - 2), len(shape) - 1]}
    aligned = dict(_aligned(shape, after))
    return [(i, aligned[i]) for i in kept.get(place, ()) if aligned[i] >= 0 and shape[i] == after[aligned[i]]]


def _broadcast(inputs: Sequence[Shape], after: Shape) -> bool:
    """Whether ``after`` is what two shapes broadcast to."""
    if max(map(len, inputs)) != len(after):
        return False
    padded = [(1,) * (len(after) - len(shape)) + shape for shape in inputs]
    return all({*dims} <= {1, out} and out in dims for *dims, out in zip(*padded, after, strict=True))


def _aligned(before: Shape, after: Shape) -> list[Link]:
    """Every dimension to the one that stands where it does, from the right."""
    shift = len(after) - len(before)
    return [(i, i + shift) for i in range(len(before))]


def _stacked(op: str, before: Shape) -> list[Link]:
    """All of them, those from the new one on a place to the right."""
    positional, named = _arguments(op)
    new = _dims(named.get("dim", positional[0] if positional else 0), len(before) + 1) or [0]
    return [(i, i + (i >= new[0])) for i in range(len(before))]


def _second(name: str, before: Shape, after: Shape) -> list[Link]:
    """The second operand: of a matrix product its last dimension and what it has in common, of a layer its rows."""
    rank = len(before)
    if name == "linear" and rank == 2:
        return [(0, len(after) - 1)]
    if name not in _PRODUCTS or rank < 2:
        return []
    batch = [(i, j) for i, j in _aligned(before[:-2], after[:-2]) if j >= 0 and before[i] == after[j]]
    return [*batch, (rank - 1, len(after) - 1)]


def _first(op: str, before: Shape, after: Shape) -> list[Link]:
    name, rank = op.partition("(")[0], len(before)
    if name in _LAST_IS_NEW:  # all but the last are kept, counted from the right
        shift = max(len(after) - rank, 0)  # less than 0 by a vector, which leaves no dimension of its own
        return [(i, i + shift) for i in range(rank - 1) if before[i] == after[i + shift]]
    positional, named = _arguments(op)
    order = _permutation(name, positional, rank)
    if order is not None and [before[i] for i in order] == list(after):
        return [(source, place) for place, source in enumerate(order)]
    taken = _taken(op, positional, named, rank)
    if taken:
        kept = [i for i in range(rank) if i not in taken]
        if [before[i] for i in kept] == list(after):
            return [(source, place) for place, source in enumerate(kept)]
        if len(after) == rank and all(before[i] == after[i] for i in kept):  # keepdim
            return [(i, i) for i in kept]
    regrouped = _regrouped(before, after)
    return _kept(before, after) if regrouped is None else regrouped


def _arguments(op: str) -> tuple[list[object], dict[str, object]]:
    """The literals of an operation's text, by place and by name; nothing where they are not literals."""
    try:
        with PARSING:
            call = ast.parse(op, mode="eval").body
        if isinstance(call, ast.Call):
            named = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg is not None}
            return [ast.literal_eval(one) for one in call.args], named
    except (ValueError, SyntaxError):
        pass
    return [], {}


def _dims(value: object, rank: int) -> list[int] | None:
    """Dimensions from the left, as given by one number or several; None for anything else."""
    given: Sequence[object] = value if isinstance(value, (list, tuple)) else [value]
    dims = [dim % rank for dim in given if type(dim) is int and -rank <= dim < rank]
    return dims if len(dims) == len(given) else None


def _permutation(name: str, positional: list[object], rank: int) -> list[int] | None:
    """Input dimensions in the order of the output's, for the operations that permute."""
    order = list(range(rank))
    if name in ("mT", "mH", "adjoint") and rank > 1:
        return [*order[:-2], rank - 1, rank - 2]
    if name in ("T", "t"):
        return order[::-1]
    if name == "permute":
        dims = _dims(positional[0] if len(positional) == 1 else positional, rank)
        return dims if dims is not None and sorted(dims) == order else None
    if name not in ("transpose", "swapaxes", "swapdims", "movedim", "moveaxis") or len(positional) != 2:
        return None
    source, place = _dims(positional[0], rank), _dims(positional[1], rank)
    if source is None or place is None or len(source) != len(place):
        return None
    if name in ("movedim", "moveaxis"):
        order = [dim for dim in order if dim not in source]
        for to, dim in sorted(zip(place, source, strict=True)):
            order.insert(to, dim)
    else:
        order[source[0]], order[place[0]] = place[0], source[0]
    return order


def _taken(op: str, positional: list[object], named: dict[str, object], rank: int) -> list[int]:
    """The dimensions that a reduction or a selection takes away; none for other operations."""
    selected = _SELECTED.fullmatch(op)
    if selected is not None:
        return [int(selected[1])]
    if op.partition("(")[0] not in _REDUCING:
        return []
    given = named.get("dim", named.get("axis", positional[0] if positional else None))
    return _dims(given, rank) or []


def _numbers(before: Shape, after: Shape) -> tuple[list[int], list[int]] | None:
    """Both with a number for every name, one that common factors divide; None where that cannot be."""
    texts = [str(dim) for dim in (*before, *after)]
    exprs = [parse(text) for text in texts]
    names = sorted({name for expr in exprs if expr is not None for name in expr.names})
    values = {name: 5040 * (1009 + 4 * place) for place, name in enumerate(names)}
    found = [expr.evaluate(values) for expr in exprs if expr is not None]
    return (found[: len(before)], found[len(before) :]) if len(found) == len(exprs) else None


def _regrouped(before: Shape, after: Shape) -> list[Link] | None:
    """Merges and splits: both sides cut into the finest groups of equal products. None where that is impossible."""
    numbers = _numbers(before, after)
    if numbers is None or prod(numbers[0]) != prod(numbers[1]) or not all(numbers[0]):
        return None
    left, right = numbers
    found: list[Link] = []
    i = j = 0
    while i < len(left) and j < len(right):
        if left[i] != right[j] and 1 in (left[i], right[j]):  # a dimension of one comes or goes
            i, j = (i + 1, j) if left[i] == 1 else (i, j + 1)
            continue
        start_i, start_j, a, b = i, j, left[i], right[j]
        while a != b:
            if a < b:
                i += 1
                a *= left[i]
            else:
                j += 1
                b *= right[j]
        found += [(x, y) for x in range(start_i, i + 1) for y in range(start_j, j + 1)]
        i, j = i + 1, j + 1
    return found


def _kept(before: Shape, after: Shape) -> list[Link]:
    """Dimensions of equal size in the same order: the longest common subsequence."""
    best: list[list[list[Link]]] = [[[] for _ in range(len(after) + 1)] for _ in range(len(before) + 1)]
    for i in reversed(range(len(before))):
        for j in reversed(range(len(after))):
            skip = max(best[i + 1][j], best[i][j + 1], key=len)
            take = [(i, j), *best[i + 1][j + 1]] if before[i] == after[j] else []
            best[i][j] = take if len(take) > len(skip) else skip
    return best[0][0]
