"""Reasons for what joins, cuts and picks: cat, stack, split, narrow, gather, masks and their kin."""

from __future__ import annotations

from collections.abc import Callable

import torch

from rotbot.shapes.indexing import needs_index_tensor
from rotbot.shapes.metadata import TensorMeta
from rotbot.shapes.rejected import Call, at_least_rank, bad_dim, dimensions, dtype_name, expected_rank
from rotbot.shapes.text import render_shape


def join_fault(shapes: list[tuple[int, ...]], dim: int) -> str | None:
    """The reason if ``shapes`` cannot be joined along ``dim``. Empty one-dimensional tensors join with anything."""
    shapes = [shape for shape in shapes if shape != (0,)]
    if not shapes:
        return None
    first = shapes[0]
    for shape in shapes:
        if len(shape) != len(first):
            return f"{len(first)} and {len(shape)} dimensions differ"
        reason = at_least_rank_one(shape) or bad_dim(dim, len(first))
        if reason is not None:
            return reason
        for i, (a, b) in enumerate(zip(first, shape, strict=True)):
            if a != b and i != dim % len(first):
                return f"sizes {a} and {b} differ at dim {i}"
    return None


def at_least_rank_one(shape: tuple[int, ...]) -> str | None:
    """The reason if a scalar is to be joined."""
    return None if shape else "expected at least 1 dimension, got 0"


def _join(call: Call) -> str | None:
    given = call.get(0, "tensors")
    if not isinstance(given, (list, tuple)) or not all(isinstance(item, TensorMeta) for item in given):
        return None
    if not given:
        return "expected at least one tensor"
    shapes = [item.shape for item in given]
    dim = call.integer(1, "dim", "axis", default=0)
    match call.name:
        case "stack":
            different = next((shape for shape in shapes if shape != shapes[0]), None)
            if different is not None:
                return f"shapes {render_shape(shapes[0])} and {render_shape(different)} differ"
            rank = len(shapes[0])
            valid = dim is None or -rank - 1 <= dim <= rank
            return None if valid else f"dim {dim} is out of range for {dimensions(rank)}"
        case "hstack":
            shapes = [shape or (1,) for shape in shapes]
            dim = 0 if len(shapes[0]) == 1 else 1
        case "vstack" | "row_stack":
            shapes, dim = [(1,) * (2 - len(shape)) + shape for shape in shapes], 0
        case "dstack":
            shapes, dim = (
                [(1, *shape, 1) if len(shape) == 1 else shape + (1,) * (3 - len(shape)) for shape in shapes],
                2,
            )
        case "column_stack":
            shapes, dim = [shape + (1,) * (2 - len(shape)) for shape in shapes], 1
        case _:
            pass
    return None if dim is None else join_fault(shapes, dim)


def _split(call: Call) -> str | None:
    x, sizes = call.tensor(0, "input", "tensor"), call.get(1, "split_size", "split_size_or_sections", "split_sizes")
    dim = call.integer(2, "dim", default=0)
    if x is None or dim is None:
        return None
    reason = at_least_rank(x, 1) or bad_dim(dim, len(x.shape))
    if reason is not None:
        return reason
    if isinstance(sizes, int):
        return f"the split size must be positive, got {sizes}" if sizes <= 0 else None
    if not isinstance(sizes, (list, tuple)) or not all(isinstance(size, int) for size in sizes):
        return None
    if min(sizes, default=0) < 0:
        return f"the split size must not be negative, got {min(sizes)}"
    if sum(sizes) == x.shape[dim]:
        return None
    return f"sizes {render_shape(tuple(sizes))} sum to {sum(sizes)}, not {x.shape[dim]}"


def _chunk(call: Call) -> str | None:
    x = call.tensor(0, "input")
    parts, dim = call.integer(1, "chunks", "sections"), call.integer(2, "dim", default=0)
    if x is None or parts is None or dim is None:
        return None
    if call.name in ("hsplit", "vsplit", "dsplit"):
        least = {"hsplit": 1, "vsplit": 2, "dsplit": 3}[call.name]
        reason = at_least_rank(x, least)
        if reason is not None:
            return reason
        dim = {"hsplit": min(1, len(x.shape) - 1), "vsplit": 0, "dsplit": 2}[call.name]
        if parts > 0 and x.shape[dim] % parts:
            return f"size {x.shape[dim]} at dim {dim} is not divisible by {parts}"
    if parts <= 0:
        return f"the number of {'chunks' if 'chunk' in call.name else 'sections'} must be positive, got {parts}"
    return at_least_rank(x, 1) or bad_dim(dim, len(x.shape))


def _select(call: Call) -> str | None:
    x, dim, index = call.tensor(0, "input"), call.integer(1, "dim"), call.integer(2, "index")
    if x is None or dim is None or index is None:
        return None
    reason = at_least_rank(x, 1) or bad_dim(dim, len(x.shape))
    if reason is None and not -x.shape[dim] <= index < x.shape[dim]:
        reason = f"index {index} is out of range for dim {dim} of size {x.shape[dim]}"
    return reason


def _narrow(call: Call) -> str | None:
    x, dim = call.tensor(0, "input"), call.integer(1, "dim")
    start, length = call.integer(2, "start"), call.integer(3, "length")
    if x is None or dim is None or start is None or length is None:
        return None
    reason = at_least_rank(x, 1) or bad_dim(dim, len(x.shape))
    if reason is not None:
        return reason
    size = x.shape[dim]
    if length < 0:
        return f"the length must not be negative, got {length}"
    if not -size <= start <= size:
        return f"start {start} is out of range for dim {dim} of size {size}"
    begin = start + size if start < 0 else start
    return f"start {start} plus length {length} exceeds size {size} at dim {dim}" if begin + length > size else None


def _window(call: Call) -> str | None:
    x, dim = call.tensor(0, "input"), call.integer(1, "dimension")
    size, step = call.integer(2, "size"), call.integer(3, "step")
    if x is None or dim is None or size is None or step is None:
        return None
    reason = bad_dim(dim, len(x.shape))
    length = x.shape[dim] if x.shape and reason is None else 1
    if reason is None and step <= 0:
        reason = f"the step must be positive, got {step}"
    return reason or (f"a window of {size} does not fit size {length} at dim {dim}" if size > length else None)


def _top(call: Call) -> str | None:
    x, k, dim = call.tensor(0, "input"), call.integer(1, "k"), call.integer(2, "dim", default=-1)
    if x is None or k is None or dim is None:
        return None
    reason = bad_dim(dim, len(x.shape))
    size = x.shape[dim] if x.shape and reason is None else 1
    least = 0 if call.name == "topk" else 1
    return reason or (None if least <= k <= size else f"k must be from {least} to {size}, got {k}")


_INDEX_ARGUMENTS = {
    **dict.fromkeys("gather index_select index_fill index_add index_copy index_reduce".split(), (2, "index")),
    **dict.fromkeys("scatter scatter_add scatter_reduce".split(), (2, "index")),
    "take": (1, "index"), "take_along_dim": (1, "indices"), "one_hot": (0, "tensor"),
}  # fmt: skip


def _picked(call: Call) -> str | None:
    """Operations that take a tensor of indices along a dim."""
    x, index = call.tensor(0, "input"), call.tensor(*_INDEX_ARGUMENTS[call.name])
    dim = call.integer(1, "dim")
    if x is None or index is None:
        return None
    if index.dtype not in (torch.int64, torch.int32):
        return needs_index_tensor(index)
    if call.name in ("take", "take_along_dim", "one_hot") or dim is None:
        return None
    reason = bad_dim(dim, len(x.shape))
    if reason is not None:
        return reason
    if call.name.startswith("index_"):
        return None if len(index.shape) <= 1 else f"expected an index of 1 dimension, got {len(index.shape)}"
    if len(index.shape) != len(x.shape):
        return f"the index has {dimensions(len(index.shape))}, the input {len(x.shape)}"
    source = call.tensor(3, "src")
    for i, size in enumerate(index.shape):
        if i != dim % len(x.shape) and size > x.shape[i]:
            return f"index size {size} exceeds size {x.shape[i]} at dim {i}"
        if source is not None and len(source.shape) == len(index.shape) and size > source.shape[i]:
            return f"index size {size} exceeds source size {source.shape[i]} at dim {i}"
    return None


def _masked(call: Call) -> str | None:
    mask = call.tensor(0, "condition") if call.name == "where" else call.tensor(1, "mask")
    if mask is None or mask.dtype is torch.bool:
        return None
    return f"the mask must be bool, got {dtype_name(mask.dtype)}"


def _bucketize(call: Call) -> str | None:
    boundaries = call.tensor(1, "boundaries")
    return None if boundaries is None else expected_rank(boundaries, 1)


_MOST_CATEGORIES = 2**24


def _multinomial(call: Call) -> str | None:
    weights, wanted = call.tensor(0, "input"), call.integer(1, "num_samples")
    if weights is None or wanted is None:
        return None
    reason = expected_rank(weights, 1, 2)
    if reason is None and weights.shape[-1] > _MOST_CATEGORIES:
        reason = f"expected at most 2^24 categories, got {weights.shape[-1]}"
    if reason is None and wanted > weights.shape[-1] and not call.get(2, "replacement", default=False):
        reason = f"cannot draw {wanted} of {weights.shape[-1]} without replacement"
    return reason


RULES: dict[str, Callable[[Call], str | None]] = {
    **dict.fromkeys("cat concat concatenate stack hstack vstack row_stack dstack column_stack".split(), _join),
    **dict.fromkeys("split split_with_sizes unsafe_split".split(), _split),
    **dict.fromkeys("chunk unsafe_chunk tensor_split hsplit vsplit dsplit".split(), _chunk),
    "select": _select, **dict.fromkeys("narrow narrow_copy".split(), _narrow), "topk": _top, "kthvalue": _top,
    **dict.fromkeys(_INDEX_ARGUMENTS, _picked),
    **dict.fromkeys("where masked_fill masked_scatter masked_select".split(), _masked),
    "bucketize": _bucketize, "multinomial": _multinomial,
}  # fmt: skip
"""By the operation's name: the reason, or None where the rule finds nothing wrong."""
METHOD_RULES: dict[str, Callable[[Call], str | None]] = {"unfold": _window}
"""Rules for tensor methods whose name means something else as a function."""
