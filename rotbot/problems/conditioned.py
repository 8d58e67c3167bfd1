"""Values that calls take: eager runs are on zeros, which have no inverse and no Cholesky factor.

Within :class:`WellConditioned` every matrix given to ``torch.linalg`` and its like is replaced by ones on the diagonal
and zeros elsewhere, of the same shape, dtype and layout. What the calls return has the same shape for any values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_NAMES = frozenset(("inverse", "pinverse", "det", "logdet", "slogdet", "cholesky", "matrix_power", "matrix_exp"))
_MENTIONED = re.compile(r"linalg|inverse|det\(|matrix_")


def needs_values(code: str) -> bool:
    """Whether a program calls what may reject zeros."""
    return _MENTIONED.search(code) is not None


def _replaced(value: Any) -> Any:
    if not isinstance(value, torch.Tensor) or value.ndim < 2 or not (value.is_floating_point() or value.is_complex()):
        return value
    return torch.empty_like(value).copy_(torch.eye(*value.shape[-2:], dtype=value.dtype))


class WellConditioned(TorchFunctionMode):
    """Replaces the matrices that functions of linear algebra get, see above."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call ``func``, with other values where it looks at them."""
        name = getattr(func, "__name__", "")
        if name.startswith("linalg_") or name in _NAMES:
            args = tuple([_replaced(arg) for arg in args])
        return func(*args, **(kwargs or {}))


class ZeroIntegers(TorchFunctionMode):
    """Makes every integer tensor zero as soon as it is there, so that no index and no class is out of range."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call ``func``; integers among what it returns become zeros."""
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, torch.Tensor) and value.dtype == torch.int64:
                value.zero_()
        return result
