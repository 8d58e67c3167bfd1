"""Indexing read as primitives: ``x[None, 0, 2:9:3]`` is *add dimension*, *select index*, *slice dim*, one step each.

The order and the meaning are torch's own: integers (and integer tensors without dims), slices, ``None`` and ``...`` are
applied from left to right, then all index tensors and lists together.
"""

from __future__ import annotations

from typing import Any

import torch

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes.metadata import TensorMeta
from rotbot.shapes.records import record
from rotbot.shapes.text import render_shape

_MASK_DTYPES = (torch.bool, torch.uint8)
_INDEX_DTYPES = (torch.int64, torch.int32)


@record
class Primitive:
    """One step of an index: its text, the shape after it, index tensors' shapes, and the reason if torch rejects it."""

    op: str
    shape: tuple[int, ...]
    index_shapes: tuple[tuple[int, ...], ...] = ()
    reason: str | None = None


@record
class Plan:
    """The primitives of an index, in order; at least one, the last of which may carry a reason."""

    primitives: tuple[Primitive, ...]


def plan(shape: tuple[int, ...], index: Any) -> Plan:
    """Split ``index`` (ints, slices, None, ..., lists of ints, tensors' metadata) applied to a tensor of ``shape``.

    Raises :class:`~rotbot.errors.UnsupportedSnippet` for masks, whose result depends on values.
    """
    refuse_masks(index)
    items = list(index) if isinstance(index, tuple) or _is_nested(index) else [index]
    consumed = sum(1 for item in items if item is not None and item is not Ellipsis)
    if consumed > len(shape):
        reason = f"too many indices: {consumed} for {len(shape)} dimension{'s' * (len(shape) != 1)}"
        return Plan((Primitive("index", shape, reason=reason),))
    steps: list[Primitive] = []
    current, dim = list(shape), 0
    advanced: list[tuple[int, Any]] = []
    for item in items:
        if item is Ellipsis:
            dim += len(shape) - consumed
            continue
        if dim > len(current) - (item is not None):
            return Plan((*steps, Primitive("index", tuple(current), reason="an index can have only one ellipsis")))
        if item is None:
            current.insert(dim, 1)
            steps.append(Primitive(f"add dimension at position {dim}", tuple(current)))
            dim += 1
        elif isinstance(item, int) or (isinstance(item, TensorMeta) and not item.shape):
            steps.append(_select(item, current, dim))
        elif isinstance(item, slice):
            step = _slice(item, current, dim)
            steps += [] if step is None else [step]
            dim += 1
        else:
            advanced.append((dim, item))
            dim += 1
        if steps and steps[-1].reason is not None:
            return Plan(tuple(steps))
    if advanced:
        steps.append(_gather(tuple(current), advanced))
    return Plan(tuple(steps) or (Primitive("keep all dims", shape),))


def settle_masks(shape: tuple[int, ...], index: Any) -> tuple[Any, str | None]:
    """The index with every mask as the indices of one element, and the reason if a mask does not fit.

    That is what assigning a single value needs to know: it goes wherever the mask is true. A mask without dimensions is
    left as it is.
    """
    items = list(index) if isinstance(index, tuple) or _is_nested(index) else [index]
    ranks = [_mask_rank(item) or int(item is not None and item is not Ellipsis) for item in items]
    found: list[Any] = []
    dim = 0
    for item, rank in zip(items, ranks, strict=True):
        if _mask_rank(item):
            covered = shape[dim : dim + rank]
            if item.shape != covered:
                return index, f"the mask {render_shape(item.shape)} does not fit {render_shape(covered)}"
            found += [TensorMeta.contiguous((min(item.numel(), 1),), torch.int64)] * rank
        else:
            found.append(item)
        dim += len(shape) - sum(ranks) if item is Ellipsis else rank
    return tuple(found), None


def _mask_rank(item: Any) -> int:
    return len(item.shape) if isinstance(item, TensorMeta) and item.dtype in _MASK_DTYPES else 0


def _is_nested(index: Any) -> bool:
    """Torch takes a list that holds lists for a tuple of indices: ``x[[[0, 1], [1, 0]]]`` is ``x[[0, 1], [1, 0]]``."""
    return isinstance(index, list) and any(isinstance(item, list) for item in index)


def _select(item: int | TensorMeta, current: list[int], dim: int) -> Primitive:
    """One integer, or an integer tensor without dims (its value is not known). ``current`` is updated."""
    size, before = current[dim], tuple(current)
    if isinstance(item, TensorMeta):
        text, reason = f"select index _ of dim {dim}", _index_fault(item, size, dim)
        shapes: tuple[tuple[int, ...], ...] = ((),)
    else:
        known = -size <= item < size
        text = f"select index {item % size if known else item} of dim {dim}"
        reason = None if known else f"index {item} is out of range for dim {dim} of size {size}"
        shapes = ()
    if reason is not None:
        return Primitive(text, before, shapes, reason)
    del current[dim]
    return Primitive(text, tuple(current), shapes)


def _index_fault(item: TensorMeta, size: int, dim: int) -> str | None:
    """What is wrong with a tensor as the index of a dim, whatever its values."""
    if item.dtype not in _INDEX_DTYPES:
        return needs_index_tensor(item)
    return f"dim {dim} has size 0: there is nothing to index" if size == 0 and item.numel() else None


def needs_index_tensor(given: TensorMeta) -> str:
    """The reason where an operation needs a tensor of indices and got one of another dtype."""
    dtype = str(given.dtype).removeprefix("torch.")
    return f"an index tensor is needed, got {dtype}: give it as '{','.join(map(str, given.shape))}:int64'"


def _slice(item: slice, current: list[int], dim: int) -> Primitive | None:
    """One slice; None where it keeps the whole dim. ``current`` is updated."""
    size = current[dim]
    ends = (item.start, item.stop, item.step)
    if any(isinstance(end, TensorMeta) for end in ends):
        raise UnsupportedSnippet("a slice with a tensor as its end depends on the tensor's value")
    if any(end is not None and not isinstance(end, int) for end in ends):
        return Primitive(f"slice dim {dim}", tuple(current), reason="slice indices must be integers")
    stride = 1 if item.step is None else item.step
    if stride <= 0:
        return Primitive(f"slice dim {dim}", tuple(current), reason=f"slice step must be positive, got {stride}")
    start, stop, _ = item.indices(size)
    stop = max(start, stop)
    if (start, stop, stride) == (0, size, 1):
        return None
    current[dim] = -(-(stop - start) // stride)
    text = f"slice dim {dim} from {start} to {stop}" + (f" step {stride}" if stride != 1 else "")
    return Primitive(text, tuple(current))


def _gather(shape: tuple[int, ...], advanced: list[tuple[int, Any]]) -> Primitive:
    """All index tensors together: they broadcast; adjacent ones replace their dims, scattered ones go to the front."""
    dims = [dim for dim, _ in advanced]
    shapes = [item.shape if isinstance(item, TensorMeta) else _list_shape(item) for _, item in advanced]
    tensors = tuple([item.shape for _, item in advanced if isinstance(item, TensorMeta)])
    text = f"index dim{'s' * (len(dims) > 1)} {', '.join(map(str, dims))} with {', '.join(map(render_shape, shapes))}"
    joint = _broadcast(shapes)
    ragged = next((reason for _, item in advanced if (reason := _ragged(item)) is not None), None)
    if ragged is not None:
        return Primitive(text, shape, tensors, ragged)
    if joint is None:
        return Primitive(text, shape, tensors, "index shapes " + " and ".join(map(render_shape, shapes)) + " differ")
    kept = [size for dim, size in enumerate(shape) if dim not in dims]
    adjacent = dims[-1] - dims[0] == len(dims) - 1
    at = dims[0] if adjacent else 0
    result = (*kept[:at], *joint, *kept[at:])
    for dim, item in advanced:
        if isinstance(item, TensorMeta):
            reason = _index_fault(item, 1 if 0 in joint else shape[dim], dim)
        else:
            bad = _out_of_range(item, shape[dim]) if 0 not in result or (shape[dim] == 0 and 0 not in joint) else None
            reason = None if bad is None else f"index {bad} is out of range for dim {dim} of size {shape[dim]}"
        if reason is not None:
            return Primitive(text, shape, tensors, reason)
    return Primitive(text, result, tensors)


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...] | None:
    rank = max(map(len, shapes))
    joint = [1] * rank
    for shape in shapes:
        for i, size in enumerate(shape, start=rank - len(shape)):
            if size != 1 and joint[i] not in (1, size):
                return None
            joint[i] = size if joint[i] == 1 else joint[i]
    return tuple(joint)


def _ragged(item: Any) -> str | None:
    """The reason where lists within a list are not of one shape, which no tensor can be made of."""
    if not isinstance(item, (list, tuple)):
        return None
    shapes = list(dict.fromkeys(map(_list_shape, item)))
    if len(shapes) > 1:
        return f"lists of different lengths cannot be an index: {' and '.join(map(render_shape, shapes[:2]))}"
    return next((reason for part in item if (reason := _ragged(part)) is not None), None)


def _list_shape(item: Any) -> tuple[int, ...]:
    """The shape of a nested list or range of ints."""
    if isinstance(item, (list, tuple, range)):
        return (len(item), *(_list_shape(item[0]) if len(item) else ()))
    return ()


def _out_of_range(item: Any, size: int) -> int | None:
    if isinstance(item, (list, tuple, range)):
        return next((bad for bad in (_out_of_range(part, size) for part in item) if bad is not None), None)
    return item if isinstance(item, int) and not -size <= item < size else None


def refuse_masks(index: Any) -> None:
    """Raise for a boolean index, whose result depends on how many values are true, and for indices that are none."""
    for item in index if isinstance(index, tuple) else (index,):
        if isinstance(item, bool) or (isinstance(item, TensorMeta) and item.dtype in _MASK_DTYPES):
            raise UnsupportedSnippet("indexing with a mask: the result's size depends on how many values are true")
        if isinstance(item, list):
            _refuse_list(item)
        elif not (item is None or item is Ellipsis or isinstance(item, (int, slice, TensorMeta, tuple, range))):
            raise UnsupportedSnippet(f"an index of type {type(item).__name__} is not supported")


def _refuse_list(items: list[Any]) -> None:
    for item in items:
        if isinstance(item, list):
            _refuse_list(item)
        elif isinstance(item, bool) or not isinstance(item, int):
            raise UnsupportedSnippet("a list used as an index must hold integers")
