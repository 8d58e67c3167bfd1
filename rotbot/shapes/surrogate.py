"""Verdicts on calls that are too large to be tried on real tensors.

Meta kernels overlook dtypes that real ones reject, writes to memory that several elements share, and a few shapes. For
the first two, smaller tensors of the same dtypes stand in: every large number of the call, equal ones alike, becomes a
small one. That may well make another call of it, so a complaint counts only if it goes away when nothing but dtypes (or
strides) are changed. For the shapes there are the rules that otherwise find reasons.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from rotbot.shapes import cost, reasons_layers, reasons_picking
from rotbot.shapes.limits import LIMITS
from rotbot.shapes.metadata import ModuleSpec, Rejected, TensorMeta, freeze, row_major, tensors_in
from rotbot.shapes.rejected import Call
from rotbot.shapes.running import FILLS, TORCH_ERRORS, run

_UNITS = (8, 32)
"""Large numbers become different multiples of this one: of the first, else (more divisible) of the second."""
_MOST_ELEMENTS = 2**21
_MOST_PARAMETERS = 2**22
_CACHE_SIZE = 1 << 12

_INTEGERS = frozenset(
    """
    index_select index_add index_copy index_fill gather scatter scatter_add scatter_reduce take take_along_dim embedding
    one_hot bitwise_and bitwise_or bitwise_xor bitwise_not and or xor iand ior ixor invert lshift rshift gcd lcm
    cross_entropy nll_loss masked_fill where
    """.split()
)
"""Operations that need integers or truth values somewhere: float32 alone is suspicious there."""

_UNCHECKED = {
    **{name: reasons_layers.RULES[name] for name in ("conv1d", "conv2d", "conv3d")},
    **{name: reasons_picking.RULES[name] for name in ("bucketize", "multinomial")},
}
"""Operations whose shapes meta kernels do not check as real ones do. Tested: their rules say nothing of valid calls."""

_verdicts: OrderedDict[Any, Rejected | None] = OrderedDict()

Calls = tuple[tuple[Any, ...], dict[str, Any], ModuleSpec | None]


def rejection(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None) -> Rejected | None:
    """Why torch rejects a call that its meta kernel accepts; None where nothing is found."""
    name = target.rpartition(".")[2]
    rule = _UNCHECKED.get(name) if module is None else None
    reason = None if rule is None else rule(Call(name, args, kwargs))
    if reason is not None:
        return Rejected(reason)
    metas = tensors_in((args, kwargs))
    if not metas or not (_is_suspicious(metas, module) or name.rstrip("_") in _INTEGERS):
        return None
    for unit in _UNITS:
        small = _shrunk((args, kwargs, module), unit)
        key = (target, *map(freeze, small))
        if key not in _verdicts:
            _verdicts[key] = _judge(target, small)
            if len(_verdicts) > _CACHE_SIZE:
                _verdicts.popitem(last=False)
        if _verdicts[key] is not None:
            return _verdicts[key]
    return None


def _is_suspicious(metas: list[TensorMeta], module: ModuleSpec | None) -> bool:
    """Whether dtypes or strides could be the matter at all: not where all is float32 and every element its own."""
    plain = all([meta.dtype is torch.float32 and 0 not in meta.stride for meta in metas])
    return not plain or (module is not None and module.parameter_dtype() not in (None, torch.float32))


def _judge(target: str, small: Calls) -> Rejected | None:
    args, kwargs, module = small
    metas = tensors_in((args, kwargs))
    if sum([meta.storage_size() for meta in metas]) > _MOST_ELEMENTS:
        return None
    if module is not None and cost.parameters(module) > _MOST_PARAMETERS:
        return None
    work = cost.work(target, args, kwargs, metas) if module is None else cost.module_work(module, args, kwargs, metas)
    if work > LIMITS.eager_work:
        return None
    found = _complaint(target, small)
    if found is None:
        return None
    for change in _changes(len(metas)):
        if _complaint(target, _mapped(small, change)) is None:
            return found
    return None


def _complaint(target: str, call: Calls) -> Rejected | None:
    """What torch says where it rejects the call whatever the values."""
    first: Rejected | None = None
    for make in FILLS:
        try:
            run(target, *call, make, "cpu")
        except TORCH_ERRORS as error:
            first = first or Rejected(str(error) or type(error).__name__)
        else:
            return None
    return first


Change = Callable[[int, TensorMeta], TensorMeta]
"""A tensor, by its place among the call's, as another one of the same shape."""


def _changes(count: int) -> Iterator[Change]:
    """Calls that differ from the one in question in dtypes or strides alone."""
    yield lambda _, meta: replace(meta, stride=row_major(meta.shape))
    yield lambda _, meta: replace(meta, dtype=torch.float32) if _is_inexact(meta) else meta
    yield lambda _, meta: replace(meta, dtype=torch.float32)
    yield lambda _, meta: replace(meta, dtype=torch.float32 if _is_inexact(meta) else torch.int64)
    yield lambda _, meta: replace(meta, dtype=torch.int64)
    for index in range(1, count):
        yield lambda place, meta, index=index: replace(meta, dtype=torch.int64 if place == index else torch.float32)


def _is_inexact(meta: TensorMeta) -> bool:
    return meta.dtype.is_floating_point or meta.dtype.is_complex


def _mapped(call: Calls, change: Change) -> Calls:
    place = -1

    def walk(value: Any) -> Any:
        nonlocal place
        if isinstance(value, TensorMeta):
            place += 1
            return change(place, value)
        if value.__class__ in (tuple, list):
            return type(value)([walk(item) for item in value])
        return value

    args, kwargs, module = call
    changed = walk(args), {name: walk(value) for name, value in kwargs.items()}
    if module is None:
        return *changed, None
    plain = tuple([(name, value) for name, value in module.kwargs if name != "dtype"])
    return *changed, replace(module, dtype=None, kwargs=plain)


def _shrunk(call: Calls, unit: int) -> Calls:
    """The call with every number above ``unit`` as a small multiple of it, in the order in which they appear."""
    names: dict[int, int] = {}

    def number(value: int) -> int:
        return value if abs(value) <= unit else names.setdefault(value, unit * (1 + len(names)))

    def walk(value: Any) -> Any:
        if isinstance(value, TensorMeta):
            shape = tuple(map(number, value.shape))
            return replace(value, shape=shape, stride=_strides(value, shape))
        if type(value) is int:
            return number(value)
        if value.__class__ in (tuple, list):
            return type(value)([walk(item) for item in value])
        return value

    args, kwargs, module = call
    args, kwargs = walk(args), {name: walk(value) for name, value in kwargs.items()}
    if module is not None:
        named = tuple([(name, walk(value)) for name, value in module.kwargs])
        module = replace(module, args=walk(module.args), kwargs=named)
    return args, kwargs, module


def _strides(meta: TensorMeta, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides for a smaller shape: dimensions in the same order in memory, and those that share it as before."""
    strides, step = [0] * len(shape), 1
    for dim in sorted(range(len(shape)), key=lambda dim: (meta.stride[dim], -dim)):
        if meta.stride[dim]:
            strides[dim] = step
            step *= max(shape[dim], 1)
    return tuple(strides)
