"""One torch operation on tensor *metadata*: the results' metadata, or why torch rejects the call.

:func:`evaluate` is pure (metadata in, metadata out) and therefore cached. It asks torch in one of three ways:

1. What is small, inline modules too, is run on real tensors of zeros (views and the like, of any size, on meta tensors:
   see :mod:`rotbot.shapes.trusted`). Where torch accepts the call, that settles validity and shapes at once.
2. What is not, or was not accepted, is run on meta tensors, which have no values. Meta kernels accept some calls that
   real ones reject, so where it is affordable real tensors have the last word. A complaint that goes away with other
   values (a singular matrix) is not a verdict.
3. Where there is no meta kernel, real tensors of different values must agree on the shapes.

For what is too large to be run on real tensors, smaller ones stand in (:mod:`rotbot.shapes.surrogate`).

Way 1 is safe only where no value can decide a shape. Operations that always let values decide are refused before they
get here (:data:`rotbot.shapes.allowlist.VALUE_DEPENDENT`); the few that may are named here, and so is the one way in
which any other can: a tensor of one element that is read as a number.
"""

from __future__ import annotations

from collections import OrderedDict
from math import prod
from typing import Any

import torch

from rotbot.errors import LimitExceeded, UnsupportedSnippet
from rotbot.shapes import bounds, cost, recurrent, surrogate
from rotbot.shapes.allowlist import CREATION
from rotbot.shapes.limits import LIMITS, exceed
from rotbot.shapes.metadata import ModuleSpec, Rejected, Result, TensorMeta, freeze, leaves, shapes_of, tensors_in
from rotbot.shapes.running import FILLS, TORCH_ERRORS, Maker, is_small, meta_tensor, run, zeros
from rotbot.shapes.trusted import is_trusted

CACHE_SIZE = 1 << 15

_SOMETIMES_VALUES = frozenset(("torch.linalg.lstsq",))
"""Whose shapes depend on values for some arguments only: ``lstsq`` has no residuals where the rank is deficient."""
_ONLY_VALUES_REJECT = frozenset(("torch.repeat_interleave", "Tensor.repeat_interleave"))
"""Whose complaints about made-up values say nothing once the meta kernel has accepted the call."""

_OUT_OF_MEMORY = ("allocate memory", "not enough memory", "could not create a primitive")
"""What torch and its libraries say where memory ends: nothing against the call itself."""

_cache: OrderedDict[Any, list[Result]] = OrderedDict()


def clear_cache() -> None:
    """Forget every result: for measurements of the time a first evaluation takes."""
    _cache.clear()


def evaluate(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None = None) -> Result:
    """Run the allowlisted operation ``target`` on metadata.

    ``args`` and ``kwargs`` are plain values with :class:`TensorMeta` for tensors. Raises
    :class:`~rotbot.errors.UnsupportedSnippet` where the result's shape depends on values, and
    :class:`~rotbot.errors.LimitExceeded` where it would be too large.
    """
    key = (target, freeze(args), freeze(kwargs) if kwargs else (), None if module is None else freeze(module))
    kept = _cache.setdefault(key, [])  # a list, and not its one item: hashing the key twice would cost more
    if not kept:
        if len(_cache) > CACHE_SIZE:
            _cache.popitem(last=False)
        kept.append(_evaluate(target, args, kwargs, module))
    return kept[0]


def _evaluate(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None) -> Result:
    bounds.check(target, args, kwargs, module)
    if module is not None:
        module, kwargs = recurrent.lower(module), recurrent.settle_masks(module, args, kwargs)
        short = recurrent.shorten(module, args, kwargs)
        if short is not None:
            args, kwargs, time, length = short
            return recurrent.lengthen(_evaluate(target, args, kwargs, module), time, length)
    metas = tensors_in((args, kwargs) if kwargs else args)
    trusted = module is None and is_trusted(target, metas)
    if trusted:
        result = _attempt(target, args, kwargs, None, meta_tensor, "meta")
        if result.__class__ is not Rejected:
            return result
    tried: Result = None
    if _is_tried(target, args, kwargs, module, metas):
        tried = _attempt(target, args, kwargs, module, zeros, "cpu")
        if trusted or tried.__class__ is not Rejected:
            return tried  # accepted, or rejected on meta tensors and on real ones
    affordable = _is_affordable(metas) and _work(target, args, kwargs, module, metas) <= LIMITS.eager_work
    try:
        result = run(target, args, kwargs, module, meta_tensor, "meta")
    except TORCH_ERRORS as error:
        if tried is not None and not _lacks_meta(error):
            return tried  # neither meta tensors nor real ones are accepted
        if affordable:
            return _without_meta(target, args, kwargs, module)
        if _lacks_meta(error):
            name = target.rpartition(".")[2]
            message = f"torch can run {name} on real values only, and these tensors are too large to try"
            raise UnsupportedSnippet(message) from error
        return Rejected(_message(error))
    check_size(result)
    if target in _ONLY_VALUES_REJECT:
        return result
    if not affordable or not _small(result):
        return surrogate.rejection(target, args, kwargs, module) or result
    if target in _SOMETIMES_VALUES:
        return _without_meta(target, args, kwargs, module)
    return _eager_verdict(target, args, kwargs, module, result)


def asks_real_tensors(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether :func:`evaluate` takes what real tensors give, if they accept the call (not of a module).

    Raises :class:`~rotbot.errors.LimitExceeded` as that does before any call.
    """
    bounds.check(target, args, kwargs, None)
    metas = tensors_in((args, kwargs))
    return is_trusted(target, metas) or _is_tried(target, args, kwargs, None, metas)


def _is_affordable(metas: list[TensorMeta]) -> bool:
    for meta in metas:
        if meta.storage_size() > LIMITS.eager_elements:
            return False
    return True


def _is_tried(
    target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None, metas: list[TensorMeta]
) -> bool:
    """Whether real tensors are asked first: the call is small, and no value can decide a shape."""
    if not _is_affordable(metas) or _values_may_decide(target, metas):
        return False
    if module is None:
        return cost.work(target, args, kwargs, metas) <= LIMITS.small_work
    return is_small(module) and cost.module_work(module, args, kwargs, metas) <= LIMITS.small_work


def _attempt(
    target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None, make: Maker, device: str
) -> Result:
    """The result where torch accepts the call on these tensors; :class:`Rejected` alone settles nothing yet."""
    try:
        result = run(target, args, kwargs, module, make, device)
    except TORCH_ERRORS as error:
        return Rejected(_message(error))
    check_size(result)
    return result


def _work(
    target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None, metas: list[TensorMeta]
) -> int:
    """What decides whether real tensors have the last word."""
    if module is None:
        return cost.work(target, args, kwargs, metas)
    return cost.parameters(module) * max([meta.numel() for meta in metas], default=1)


def _values_may_decide(target: str, metas: list[TensorMeta]) -> bool:
    """Whether a shape might depend on what zeros would stand for."""
    if target in _SOMETIMES_VALUES or (metas and target in CREATION):
        return True
    for meta in metas[1:]:
        if meta.dtype is not torch.float32 and not _has_fractions(meta.dtype) and meta.numel() == 1:
            return True
    return False


def _has_fractions(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point or dtype.is_complex


def _eager_verdict(
    target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None, result: Result
) -> Result:
    """``result``, the meta kernel's, unless real tensors reject the call whatever their values, or disagree."""
    rejection: Rejected | None = None
    for make in FILLS:
        try:
            real = run(target, args, kwargs, module, make, "cpu")
        except torch.linalg.LinAlgError:
            return result
        except TORCH_ERRORS as error:
            rejection = rejection or Rejected(_message(error))
        else:
            return result if shapes_of(real) == shapes_of(result) else _without_meta(target, args, kwargs, module)
    assert rejection is not None
    return rejection


def _without_meta(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None) -> Result:
    """Where there is no usable meta kernel: real tensors of different values must agree on the shapes."""
    results: list[Result] = []
    rejection: Rejected | None = None
    for make in FILLS:
        try:
            results.append(run(target, args, kwargs, module, make, "cpu"))
        except TORCH_ERRORS as error:
            rejection = rejection or Rejected(_message(error))
    if not results:
        assert rejection is not None
        return rejection
    agreed = all(shapes_of(other) == shapes_of(results[0]) for other in results[1:])
    if not agreed or (len(results) == 1 and _values_may_decide(target, tensors_in((args, kwargs)))):
        raise UnsupportedSnippet(_value_message(target))
    check_size(results[0])
    return results[0]


def _small(result: Result) -> bool:
    return all(meta.numel() <= LIMITS.eager_results for _, meta in leaves(result))


def check_size(result: Result) -> None:
    """Raise :class:`~rotbot.errors.LimitExceeded` when a result has too many dimensions, elements or tensors."""
    if result.__class__ is TensorMeta and len(result.shape) <= LIMITS.rank and prod(result.shape) <= LIMITS.elements:
        return
    found = leaves(result)
    if len(found) > LIMITS.fan_out:
        exceed("tensors returned by one operation", LIMITS.fan_out, len(found))
    for _, meta in found:
        if len(meta.shape) > LIMITS.rank:
            exceed("dimensions of one tensor", LIMITS.rank, len(meta.shape))
        if meta.numel() > LIMITS.elements:
            exceed("elements of one tensor", LIMITS.elements, meta.numel())


def _message(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if any(words in text for words in _OUT_OF_MEMORY):
        raise LimitExceeded("the operation needs more memory than a trace may use") from error
    return text


def _lacks_meta(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, NotImplementedError) or "meta tensor" in text or "data-dependent" in text or "Meta" in text


def _value_message(target: str) -> str:
    return f"the result of {target.rpartition('.')[2]} depends on the values of its inputs, not only on their shapes"
