"""One torch operation on tensor *metadata*: the results' metadata, or why torch rejects the call.

:func:`evaluate` is pure (metadata in, metadata out) and therefore cached. Shapes come from running the operation on meta
tensors. Meta kernels accept some calls that eager kernels reject, so whatever is small enough is run on real tensors of
zeros too: torch's own verdict. A complaint that depends on the *values* (a singular matrix) is not a verdict.
"""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rotbot.errors import LimitExceeded, UnsupportedSnippet
from rotbot.shapes import bounds
from rotbot.shapes.allowlist import CREATION, FUNCTIONS, MODULES
from rotbot.shapes.limits import LIMITS, exceed

CACHE_SIZE = 1 << 15

TORCH_ERRORS = (
    RuntimeError, ValueError, IndexError, TypeError, AssertionError, OverflowError, AttributeError, KeyError,
    ZeroDivisionError,
)  # fmt: skip
"""What torch raises for a call it rejects (``NotImplementedError`` is a ``RuntimeError``)."""


@dataclass(frozen=True, slots=True)
class TensorMeta:
    """What shape inference knows of a tensor: its sizes, strides (in elements) and dtype. No values, no storage."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    @staticmethod
    def contiguous(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> TensorMeta:
        """A contiguous (row-major) tensor's metadata."""
        stride, step = [], 1
        for size in reversed(shape):
            stride.append(step)
            step *= max(size, 1)
        return TensorMeta(shape, tuple(reversed(stride)), dtype)

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def storage_size(self) -> int:
        """Elements of the smallest storage that holds the tensor."""
        if 0 in self.shape:
            return 0
        return 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """An inline ``nn`` module: its class by name, constructor arguments (frozen), and whether it is in training mode."""

    name: str
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    training: bool = True


@dataclass(frozen=True, slots=True)
class Alias:
    """A result that *is* the argument tensor with this index (in-place operations return their first operand)."""

    index: int
    meta: TensorMeta


@dataclass(frozen=True, slots=True)
class Fields:
    """A named tuple of results (``torch.max(x, 0)`` has ``values`` and ``indices``)."""

    names: tuple[str, ...]
    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Torch rejects the call: its own message."""

    message: str


Result = Any
"""A :class:`TensorMeta`, an :class:`Alias`, a tuple, list or :class:`Fields` of results, a plain value, or
:class:`Rejected`."""

_cache: OrderedDict[Any, Result] = OrderedDict()


def evaluate(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None = None) -> Result:
    """Run the allowlisted operation ``target`` on metadata.

    ``args`` and ``kwargs`` are plain values with :class:`TensorMeta` for tensors. Raises
    :class:`~rotbot.errors.UnsupportedSnippet` where the result's shape depends on values, and
    :class:`~rotbot.errors.LimitExceeded` where it would be too large.
    """
    key = (target, freeze(args), freeze(kwargs), module)
    found = _cache.get(key)
    if found is not None:
        return found
    result = _evaluate(target, args, kwargs, module)
    _cache[key] = result
    if len(_cache) > CACHE_SIZE:
        _cache.popitem(last=False)
    return result


def freeze(value: Any) -> Any:
    """A hashable stand-in that keeps ``1``, ``1.0`` and ``True`` apart."""
    kind = value.__class__
    if kind is int or kind is str or kind is TensorMeta or value is None:
        return value
    if kind is tuple or kind is list:
        return (kind.__name__, *[freeze(item) for item in value])
    if kind is dict:
        return tuple([(name, freeze(item)) for name, item in value.items()])
    if kind is slice:
        return ("slice", freeze(value.start), freeze(value.stop), freeze(value.step))
    return (kind.__name__, repr(value))


def _evaluate(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None) -> Result:
    bounds.check(target, args, kwargs, module)
    metas = list(tensors_in((args, kwargs)))
    affordable = _affordable(metas, target, module, args, kwargs)
    try:
        result = _run(target, args, kwargs, module, _meta_tensor, "meta")
    except TORCH_ERRORS as error:
        if not affordable:
            if _says_value_dependent(error):
                raise UnsupportedSnippet(_value_message(target)) from error
            return Rejected(_message(error))
        return _eager_only(target, args, kwargs, module)
    check_size(result)
    if affordable and _small(result):
        verdict = _eager(target, args, kwargs, module)
        if isinstance(verdict, Rejected):
            return verdict
        if verdict is not None and shapes_of(verdict) != shapes_of(result):
            return _eager_only(target, args, kwargs, module)
    return result


def _run(
    target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None, make: Any, device: str
) -> Result:
    inputs: list[torch.Tensor] = []

    def build(value: Any) -> Any:
        kind = value.__class__
        if kind is TensorMeta:
            tensor = make(value)
            inputs.append(tensor)
            return tensor
        if kind is tuple:
            return tuple([build(item) for item in value])
        if kind is list:
            return [build(item) for item in value]
        if kind is dict:
            return {name: build(item) for name, item in value.items()}
        if kind is slice:
            return slice(build(value.start), build(value.stop), build(value.step))
        return value

    real_args, real_kwargs = build(args), build(kwargs)
    if module is not None:
        result = build_module(module, device)(*real_args, **real_kwargs)
    elif target in CREATION:
        result = CREATION[target](*real_args, **{**real_kwargs, "device": device})
    else:
        result = FUNCTIONS[target](*real_args, **real_kwargs)
    return _describe(result, inputs)


def build_module(spec: ModuleSpec, device: str) -> nn.Module:
    """Construct the inline module on ``device``; on the meta device nothing is allocated."""

    def thaw(value: Any) -> Any:
        if isinstance(value, TensorMeta):
            return torch.empty(value.shape, dtype=value.dtype, device=device)
        if isinstance(value, (tuple, list)):
            return type(value)([thaw(item) for item in value])
        return value

    with torch.device(device):
        built = MODULES[spec.name](*[thaw(a) for a in spec.args], **{name: thaw(v) for name, v in spec.kwargs})
    return built.train(spec.training).requires_grad_(False)


def _describe(value: Any, inputs: list[torch.Tensor]) -> Result:
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_quantized:
            raise UnsupportedSnippet("sparse and quantized tensors have no dense shape trace")
        meta = TensorMeta(tuple(value.shape), tuple(value.stride()), value.dtype)
        for index, tensor in enumerate(inputs):
            if tensor is value:
                return Alias(index, meta)
        return meta
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (tuple, list)):
        items = [_describe(item, inputs) for item in value]
        names = [n for n in _FIELD_NAMES if hasattr(value, n)] if isinstance(value, tuple) else []
        if names:
            return Fields(tuple(sorted(names, key=lambda n: _position(value, n))), tuple(items))
        return tuple(items) if isinstance(value, tuple) else items
    return value


_FIELD_NAMES = (
    "values indices mantissa exponent min max eigenvalues eigenvectors U S Vh V Q R P L sign logabsdet solution residuals "
    "rank singular_values LU pivots info inverse result logdet a tau hist bin_edges LD cloned_coefficient"
).split()  # fmt: skip


def _position(value: Any, name: str) -> int:
    field = getattr(value, name)
    return next(i for i, item in enumerate(value) if item is field)


def _meta_tensor(meta: TensorMeta) -> torch.Tensor:
    return torch.empty_strided(meta.shape, meta.stride, dtype=meta.dtype, device="meta")


def _filled(fill: Callable[[int, torch.dtype], torch.Tensor]) -> Callable[[TensorMeta], torch.Tensor]:
    def make(meta: TensorMeta) -> torch.Tensor:
        return fill(meta.storage_size(), meta.dtype).as_strided(meta.shape, meta.stride)

    return make


_FILLS = (
    _filled(lambda size, dtype: torch.zeros(size, dtype=dtype)),
    _filled(lambda size, dtype: torch.ones(size, dtype=dtype)),
    _filled(lambda size, dtype: torch.full((size,), 2).to(dtype)),
    _filled(lambda size, dtype: (torch.arange(size) % 3 - 1).to(dtype)),
)


def _eager(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None) -> Result | None:
    """Torch's own verdict on real tensors: the result, ``Rejected``, or None where only the values were at fault."""
    rejection: Rejected | None = None
    for make in _FILLS[:2]:
        try:
            return _quiet_run(target, args, kwargs, module, make)
        except torch.linalg.LinAlgError:
            return None
        except TORCH_ERRORS as error:
            rejection = rejection or Rejected(_message(error))
    return rejection


def _eager_only(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None) -> Result:
    """Where there is no usable meta kernel: real tensors of different values must agree on the shapes."""
    results, rejection = [], None
    for make in _FILLS:
        try:
            results.append(_quiet_run(target, args, kwargs, module, make))
        except TORCH_ERRORS as error:
            rejection = rejection or Rejected(_message(error))
    if not results:
        assert rejection is not None
        return rejection
    if any(shapes_of(r) != shapes_of(results[0]) for r in results[1:]):
        raise UnsupportedSnippet(_value_message(target))
    check_size(results[0])
    return results[0]


def _quiet_run(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None, make: Any) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _run(target, args, kwargs, module, make, "cpu")


def _affordable(
    metas: list[TensorMeta], target: str, module: ModuleSpec | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """Small enough to be run on real tensors: storage, multiplications, module parameters, literal sizes."""
    return (
        all(meta.storage_size() <= LIMITS.eager_elements for meta in metas)
        and bounds.multiplications(target, metas) <= LIMITS.eager_multiplications
        and math.prod([abs(n) or 1 for n in _ints_in((args, kwargs))]) <= LIMITS.eager_literals
        and (module is None or bounds.parameters(module) <= LIMITS.eager_elements)
    )


def _ints_in(value: Any) -> Iterator[int]:
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _ints_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _ints_in(item)


def tensors_in(value: Any) -> Iterator[TensorMeta]:
    """Every tensor in nested arguments, in order."""
    if isinstance(value, TensorMeta):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, slice):
        yield from tensors_in((value.start, value.stop, value.step))


def leaves(result: Result) -> Iterator[tuple[tuple[int, ...], TensorMeta]]:
    """Every tensor in a result with the way to it: ``((), meta)``, or ``((0,), a), ((1, 0), b)``."""
    if isinstance(result, TensorMeta):
        yield (), result
    elif isinstance(result, Alias):
        yield (), result.meta
    elif isinstance(result, (tuple, list, Fields)):
        for index, item in enumerate(result.items if isinstance(result, Fields) else result):
            for path, meta in leaves(item):
                yield (index, *path), meta


def shapes_of(result: Result) -> tuple[Any, ...]:
    """Every tensor's place and shape: what two runs must agree on."""
    return tuple([(path, meta.shape) for path, meta in leaves(result)])


def _small(result: Result) -> bool:
    return all(meta.numel() <= LIMITS.eager_elements for _, meta in leaves(result))


def check_size(result: Result) -> None:
    """Raise :class:`~rotbot.errors.LimitExceeded` when a result has too many dimensions, elements or tensors."""
    count = 0
    for _, meta in leaves(result):
        count += 1
        if len(meta.shape) > LIMITS.rank:
            exceed("dimensions of one tensor", LIMITS.rank, len(meta.shape))
        if meta.numel() > LIMITS.elements:
            exceed("elements of one tensor", LIMITS.elements, meta.numel())
    if count > LIMITS.fan_out:
        exceed("tensors returned by one operation", LIMITS.fan_out, count)


def _message(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if "allocate memory" in text or "not enough memory" in text:
        raise LimitExceeded("the operation needs more memory than a trace may use") from error
    return text


def _says_value_dependent(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, NotImplementedError) or "meta tensor" in text or "data-dependent" in text or "Meta" in text


def _value_message(target: str) -> str:
    return f"the result of {target.rpartition('.')[2]} depends on the values of its inputs, not only on their shapes"
