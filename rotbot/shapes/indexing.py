"""Indexing read as primitives: ``x[None, 0, 2:9:3]`` is *add dimension*, *select index*, *slice dim*, one step each.

The order and the meaning are torch's own: integers, slices, ``None`` and ``...`` are applied from left to right, then all
index tensors (and lists) together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes.evaluate import TensorMeta
from rotbot.shapes.text import render_shape


@dataclass(frozen=True, slots=True)
class Primitive:
    """One step of an index: its text, the shape after it, index tensors' shapes, and a reason where torch rejects it."""

    op: str
    shape: tuple[int, ...]
    index_shapes: tuple[tuple[int, ...], ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The primitives of an index, in order; at least one, the last of which may carry a reason."""

    primitives: tuple[Primitive, ...]


def plan(shape: tuple[int, ...], index: Any) -> Plan:
    """Split ``index`` (ints, slices, None, ..., lists of ints, tensors' metadata) applied to a tensor of ``shape``.

    Raises :class:`~rotbot.errors.UnsupportedSnippet` for masks, whose result depends on values.
    """
    refuse_masks(index)
    items = list(index) if isinstance(index, tuple) else [index]
    consumed = sum(1 for item in items if item is not None and item is not Ellipsis)
    if sum(1 for item in items if item is Ellipsis) > 1:
        return Plan((Primitive("index", shape, reason="an index can have only one ellipsis"),))
    if consumed > len(shape):
        reason = f"too many indices: {consumed} for {len(shape)} dimension{'s' * (len(shape) != 1)}"
        return Plan((Primitive("index", shape, reason=reason),))
    fill = [slice(None)] * (len(shape) - consumed)
    if Ellipsis in [item for item in items if not isinstance(item, (list, TensorMeta))]:
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = fill
    steps: list[Primitive] = []
    current, dim = list(shape), 0
    advanced: list[tuple[int, Any]] = []
    for item in items:
        if item is None:
            current.insert(dim, 1)
            steps.append(Primitive(f"add dimension at position {dim}", tuple(current)))
            dim += 1
        elif isinstance(item, int):
            size = current[dim]
            if not -size <= item < size:
                reason = f"index {item} is out of range for dim {dim} of size {size}"
                return Plan((*steps, Primitive(f"select index {item} of dim {dim}", tuple(current), reason=reason)))
            del current[dim]
            steps.append(Primitive(f"select index {item % size} of dim {dim}", tuple(current)))
        elif isinstance(item, slice):
            step = _slice(item, current, dim)
            if step is not None:
                steps.append(step)
                if step.reason is not None:
                    return Plan(tuple(steps))
            dim += 1
        else:
            advanced.append((dim, item))
            dim += 1
    if advanced:
        steps.append(_gather(tuple(current), advanced))
    return Plan(tuple(steps) or (Primitive("keep all dims", shape),))


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
    if joint is None:
        return Primitive(text, shape, tensors, "index shapes " + " and ".join(map(render_shape, shapes)) + " differ")
    for dim, item in advanced:
        bad = None if isinstance(item, TensorMeta) else _out_of_range(item, shape[dim])
        if bad is not None:
            reason = f"index {bad} is out of range for dim {dim} of size {shape[dim]}"
            return Primitive(text, shape, tensors, reason)
    kept = [size for dim, size in enumerate(shape) if dim not in dims]
    adjacent = dims[-1] - dims[0] == len(dims) - 1
    at = dims[0] if adjacent else 0
    return Primitive(text, (*kept[:at], *joint, *kept[at:]), tensors)


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...] | None:
    rank = max(map(len, shapes))
    joint = [1] * rank
    for shape in shapes:
        for i, size in enumerate(shape, start=rank - len(shape)):
            if size != 1 and joint[i] not in (1, size):
                return None
            joint[i] = size if joint[i] == 1 else joint[i]
    return tuple(joint)


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
        if isinstance(item, bool) or (isinstance(item, TensorMeta) and item.dtype.is_floating_point is False and str(item.dtype) in ("torch.bool", "torch.uint8")):  # fmt: skip  # noqa: E501
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
