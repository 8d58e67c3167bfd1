"""Reasons for what rearranges and repeats: view, permute, expand, flatten, repeat, roll, pad and their kin."""

from __future__ import annotations

import math
from collections.abc import Callable

from rotbot.shapes.rejected import (
    Call,
    at_least_rank,
    bad_dim,
    count,
    dimensions,
    expand_fault,
    repeated_dim,
)
from rotbot.shapes.text import render_shape


def _fit(number: int, sizes: list[int], what: str) -> str | None:
    """The reason if ``number`` elements cannot be arranged as ``sizes``, one of which may be -1."""
    wrong = next((size for size in sizes if size < -1), None)
    if wrong is not None:
        return f"size {wrong} is not allowed"
    if sizes.count(-1) > 1:
        return "only one size may be -1"
    known = math.prod(size for size in sizes if size != -1)
    if -1 in sizes:
        if known == 0:
            return "-1 cannot be inferred beside a size of 0"
        return f"{number} is not divisible by {known}" if number % known else None
    return (
        None
        if known == number
        else f"{what} {'do' if what.endswith('s') else 'does'} not fit {render_shape(tuple(sizes))}"
    )


def _view(call: Call) -> str | None:
    x = call.tensor(0, "input")
    other = call.tensor(1, "other")
    sizes = list(other.shape) if other is not None else call.sizes(1, "size", "shape")
    if x is None or sizes is None:
        return None
    reason = _fit(x.numel(), sizes, f"{x.numel()} elements")
    if reason is None and call.name.startswith("view"):
        reason = "not contiguous here; use reshape"
    return reason


def _unflatten(call: Call) -> str | None:
    x, dim, sizes = call.tensor(0, "input"), call.integer(1, "dim"), call.get(2, "sizes", "unflattened_size")
    if call.module is not None:
        dim, sizes = call.option(0, "dim"), call.option(1, "unflattened_size")
    if x is None or not isinstance(dim, int) or not isinstance(sizes, (list, tuple)):
        return None
    reason = bad_dim(dim, len(x.shape))
    if reason is None and x.shape and all(isinstance(size, int) for size in sizes):
        reason = _fit(x.shape[dim], list(sizes), f"size {x.shape[dim]} at dim {dim}")
    return reason


def _expand(call: Call) -> str | None:
    x, other = call.tensor(0, "input"), call.tensor(1, "other")
    sizes = list(other.shape) if other is not None else call.sizes(1, "size")
    return None if x is None or sizes is None else expand_fault(x.shape, sizes)


def _permute(call: Call) -> str | None:
    x, dims = call.tensor(0, "input"), call.sizes(1, "dims")
    if x is None or dims is None:
        return None
    if len(dims) != len(x.shape):
        return f"{count(len(dims), 'dim')} given for {dimensions(len(x.shape))}"
    return repeated_dim(dims, len(x.shape))


def _two_dims(call: Call) -> str | None:
    x, first, second = call.tensor(0, "input"), call.integer(1, "dim0", "axis0"), call.integer(2, "dim1", "axis1")
    if x is None or first is None or second is None:
        return None
    return bad_dim(first, len(x.shape)) or bad_dim(second, len(x.shape))


def _diagonal(call: Call) -> str | None:
    x = call.tensor(0, "input", "A")
    first, second = call.integer(2, "dim1", default=0), call.integer(3, "dim2", default=1)
    if x is None or first is None or second is None:
        return None
    rank = len(x.shape)
    reason = at_least_rank(x, 2) or bad_dim(first, rank) or bad_dim(second, rank)
    return reason or (f"dims {first} and {second} are the same" if first % rank == second % rank else None)


def _transposed(call: Call) -> str | None:
    x = call.tensor(0, "input")
    return None if x is None or len(x.shape) <= 2 else f"expected at most 2 dimensions, got {len(x.shape)}"


def _movedim(call: Call) -> str | None:
    x, source, target = call.tensor(0, "input"), call.get(1, "source"), call.get(2, "destination")
    lists = [[v] if isinstance(v, int) else v for v in (source, target)]
    if x is None or not all(isinstance(v, (list, tuple)) for v in lists):
        return None
    if len(lists[0]) != len(lists[1]):
        return f"{count(len(lists[0]), 'source dim')} for {count(len(lists[1]), 'destination dim')}"
    return repeated_dim(lists[0], len(x.shape)) or repeated_dim(lists[1], len(x.shape))


def _flatten(call: Call) -> str | None:
    x = call.tensor(0, "input")
    first, last = call.integer(1, "start_dim", default=0), call.integer(2, "end_dim", default=-1)
    if call.module is not None:
        first, last = call.option(0, "start_dim", 1), call.option(1, "end_dim", -1)
    if x is None or first is None or last is None:
        return None
    rank = len(x.shape)
    reason = bad_dim(first, rank) or bad_dim(last, rank)
    if reason is None and rank and first % rank > last % rank:
        reason = f"start dim {first} comes after end dim {last}"
    return reason


def _repeat(call: Call) -> str | None:
    x, sizes = call.tensor(0, "input"), call.sizes(1, "repeats", "sizes")
    if x is None or sizes is None:
        return None
    if min(sizes, default=0) < 0:
        return f"repeats must not be negative, got {min(sizes)}"
    short = call.name == "repeat" and len(sizes) < len(x.shape)
    return f"{count(len(sizes), 'repeat')} for {dimensions(len(x.shape))}" if short else None


def _roll(call: Call) -> str | None:
    x, shifts, dims = call.tensor(0, "input"), call.get(1, "shifts"), call.get(2, "dims")
    lists = [[v] if isinstance(v, int) else v for v in (shifts, dims)]
    if x is None or not all(isinstance(v, (list, tuple)) for v in lists):
        return None
    if lists[1] and len(lists[0]) != len(lists[1]):
        return f"{count(len(lists[0]), 'shift')} for {count(len(lists[1]), 'dim')}"
    return next((reason for dim in lists[1] if (reason := bad_dim(dim, len(x.shape)))), None)


def _pad(call: Call) -> str | None:
    x, pads = call.tensor(0, "input"), call.sizes(1, "pad")
    if x is None or pads is None:
        return None
    if len(pads) % 2:
        return f"pad takes pairs, got {count(len(pads), 'value')}"
    if len(pads) > 2 * len(x.shape):
        return f"{count(len(pads) // 2, 'pair')} for {dimensions(len(x.shape))}"
    for i in range(len(pads) // 2):
        before, after, size = pads[2 * i], pads[2 * i + 1], x.shape[-1 - i]
        if size + before + after < 0:
            return f"padding ({before}, {after}) removes more than size {size} at dim -{i + 1}"
        if call.get(2, "mode", default="constant") == "reflect" and max(before, after) >= size:
            return f"reflect padding {max(before, after)} must be less than size {size} at dim -{i + 1}"
    return None


RULES: dict[str, Callable[[Call], str | None]] = {
    **dict.fromkeys("view reshape view_as reshape_as view_copy".split(), _view),
    **dict.fromkeys("unflatten Unflatten".split(), _unflatten), **dict.fromkeys("flatten Flatten".split(), _flatten),
    **dict.fromkeys("expand expand_as broadcast_to".split(), _expand), "permute": _permute, "t": _transposed,
    "T": _transposed, "H": _transposed, **dict.fromkeys("transpose swapaxes swapdims".split(), _two_dims),
    "diagonal": _diagonal, **dict.fromkeys("movedim moveaxis".split(), _movedim), "repeat": _repeat, "tile": _repeat,
    "roll": _roll, "pad": _pad,
}  # fmt: skip
"""By the operation's name: the reason, or None where the rule finds nothing wrong."""
