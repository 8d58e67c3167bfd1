"""What shape inference knows of values: tensors' sizes, strides and dtypes, and results made of them. No values."""

from __future__ import annotations

import math
from functools import lru_cache
from operator import mul
from typing import Any

import torch

from rotbot.shapes.records import record


@lru_cache(maxsize=4096)
def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a contiguous tensor, in elements."""
    stride, step = [], 1
    for size in reversed(shape):
        stride.append(step)
        step *= size or 1
    return tuple(reversed(stride))


@record
class TensorMeta:
    """What shape inference knows of a tensor: its sizes, strides (in elements) and dtype. No values, no storage."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    @staticmethod
    def contiguous(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> TensorMeta:
        """A contiguous (row-major) tensor's metadata."""
        return TensorMeta(shape, row_major(shape), dtype)

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def is_contiguous(self) -> bool:
        """Whether the elements lie in row-major order without gaps. (False for some tensors of a single element.)"""
        return self.stride == row_major(self.shape)

    def storage_size(self) -> int:
        """Elements of the smallest storage that holds the tensor."""
        if self.is_contiguous():
            return math.prod(self.shape)
        return 0 if 0 in self.shape else 1 + sum(map(mul, self.shape, self.stride)) - sum(self.stride)


@record
class ModuleSpec:
    """An inline ``nn`` module: its class by name, frozen constructor arguments (other modules among them), whether it
    is in training mode, and the dtype that its parameters were converted to."""

    name: str
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    training: bool = True
    dtype: torch.dtype | None = None

    def parameter_dtype(self) -> torch.dtype | None:
        """The dtype that the module was converted to or made with, if it was."""
        given = next((value for key, value in self.kwargs if key == "dtype"), None)
        return self.dtype or (given if isinstance(given, torch.dtype) else None)


@record
class Alias:
    """A result that *is* the argument tensor with this index (in-place operations return their first operand)."""

    index: int
    meta: TensorMeta


@record
class Fields:
    """A named tuple of results (``torch.max(x, 0)`` has ``values`` and ``indices``)."""

    names: tuple[str, ...]
    items: tuple[Any, ...]


@record
class Rejected:
    """Torch rejects the call: its own message."""

    message: str


Result = Any
"""A :class:`TensorMeta`, an :class:`Alias`, a tuple, list or :class:`Fields` of results, a plain value, or
:class:`Rejected`."""


ATOMS = frozenset((int, str, float, bool, type(None)))
"""What holds no tensor. (Walks over arguments handle such items where they meet them: calls are what a walk costs.)"""
_FROZEN = frozenset((int, str, type(None), TensorMeta))
"""What :func:`freeze` leaves as it is."""


def tensors_in(value: Any) -> list[TensorMeta]:
    """Every tensor in nested arguments, in order."""
    found: list[TensorMeta] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[TensorMeta]) -> None:
    kind = value.__class__
    if kind is TensorMeta:
        found.append(value)
    elif kind is tuple or kind is list:
        for item in value:
            kind = item.__class__
            if kind is TensorMeta:
                found.append(item)
            elif kind not in ATOMS:
                _collect(item, found)
    elif kind is dict:
        for item in value.values():
            _collect(item, found)
    elif kind is slice:
        _collect((value.start, value.stop, value.step), found)


def leaves(result: Result) -> list[tuple[tuple[int, ...], TensorMeta]]:
    """Every tensor in a result with the way to it: ``((), meta)``, or ``((0,), a), ((1, 0), b)``."""
    kind = result.__class__
    if kind is TensorMeta:
        return [((), result)]
    if kind is Alias:
        return [((), result.meta)]
    if kind is Fields or kind is tuple or kind is list:
        items = result.items if kind is Fields else result
        return [((index, *path), meta) for index, item in enumerate(items) for path, meta in leaves(item)]
    return []


def shapes_of(result: Result) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Every tensor's place and shape: what two runs must agree on."""
    return [(path, meta.shape) for path, meta in leaves(result)]


def freeze(value: Any) -> Any:
    """A hashable stand-in for arguments that keeps ``1``, ``1.0`` and ``True`` apart."""
    kind = value.__class__
    if kind in _FROZEN:
        return value
    if kind is tuple or kind is list:
        return (kind, *[item if item.__class__ in _FROZEN else freeze(item) for item in value])
    if kind is dict:
        return tuple([(name, freeze(item)) for name, item in value.items()])
    if kind is slice:
        return (slice, freeze(value.start), freeze(value.stop), freeze(value.step))
    if kind is ModuleSpec:
        return (kind, value.name, value.training, value.dtype, freeze(value.args), freeze(value.kwargs))
    return (kind, repr(value))
