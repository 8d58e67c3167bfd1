"""What torch itself says: our own snippets executed on real tensors. Only the tests' own text ever gets here."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from textwrap import dedent
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rotbot.shapes.arguments import ArgLike, parse_args


def real_tensor(shape: tuple[int, ...], dtype: str, generator: torch.Generator) -> torch.Tensor:
    """Random floats, complex numbers and truth values; ones for integers, which may be used as indices and divisors."""
    kind: torch.dtype = getattr(torch, dtype)
    if kind.is_floating_point or kind.is_complex:
        return torch.randn(shape, generator=generator).to(kind)
    return (
        torch.randint(0, 2, shape, generator=generator).bool() if kind is torch.bool else torch.ones(shape, dtype=kind)
    )


def real_args(args: Mapping[str, ArgLike]) -> dict[str, torch.Tensor]:
    """A real tensor for each argument, the same on every call."""
    generator = torch.Generator().manual_seed(0)
    return {name: real_tensor(spec.shape, spec.dtype, generator) for name, spec in parse_args(args).items()}


def namespace() -> dict[str, Any]:
    """The names a snippet finds defined."""
    return {"torch": torch, "nn": nn, "F": functional, "math": math}


def run(code: str, args: Mapping[str, ArgLike]) -> dict[str, Any]:
    """Execute ``code``; the variables it leaves, arguments left out. Raises what torch or Python raises."""
    given = real_args(args)
    names = namespace()
    scope: dict[str, Any] = {**names, **given}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(dedent(code), scope)
    known = {**names, **given, "__builtins__": None}
    return {
        name: value
        for name, value in scope.items()
        if name not in known or (name in given and value is not given[name])
    }


def shapes(value: Any) -> Any:
    """The shapes of all tensors in a nested value, nested as it is; None for what holds none."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
        found = [shapes(item) for item in value]
        return None if all(item is None for item in found) else found
    return None


def flat(nested: Any) -> list[tuple[int, ...]]:
    """All shapes in what :func:`shapes` returns, in order."""
    if nested is None:
        return []
    return [nested] if isinstance(nested, tuple) else [shape for item in nested for shape in flat(item)]
