"""A rejected call, its arguments found by position or name, and the words that reasons share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from rotbot.shapes.metadata import ModuleSpec, TensorMeta, tensors_in
from rotbot.shapes.text import render_shape


@dataclass(frozen=True, slots=True)
class Call:
    """``name`` as a snippet spells it without its namespace (``cat``, ``Conv2d``), and what it was called with.

    Tensors are their metadata. ``module`` is the inline ``nn`` module, whose call this is, if any.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    module: ModuleSpec | None = None

    def get(self, position: int, *names: str, default: Any = None) -> Any:
        """An argument by position, or by the first of its names that was given."""
        if position < len(self.args):
            return self.args[position]
        return next((self.kwargs[name] for name in names if name in self.kwargs), default)

    def tensor(self, position: int, *names: str) -> TensorMeta | None:
        """An argument that is a tensor; None for anything else."""
        value = self.get(position, *names)
        return value if isinstance(value, TensorMeta) else None

    def integer(self, position: int, *names: str, default: int | None = None) -> int | None:
        """An argument that is an integer; None for anything else."""
        value = self.get(position, *names, default=default)
        return value if isinstance(value, int) else None

    def sizes(self, position: int, *names: str) -> list[int] | None:
        """Integers given as one sequence or as all arguments from ``position`` on; None for anything else."""
        value = self.get(position, *names)
        items = [value, *self.args[position + 1 :]] if isinstance(value, int) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, int) for item in items):
            return None
        return list(items)

    def tensors(self) -> list[TensorMeta]:
        """Every tensor among the arguments, in order."""
        return list(tensors_in((self.args, self.kwargs)))

    def option(self, position: int, name: str, default: Any = None) -> Any:
        """A constructor argument of the module."""
        assert self.module is not None
        if position < len(self.module.args):
            return self.module.args[position]
        return dict(self.module.kwargs).get(name, default)


def count(number: int, word: str) -> str:
    """``1 size``, ``2 sizes``."""
    return f"{number} {word}{'s' * (number != 1)}"


def dimensions(number: int) -> str:
    """``1 dimension``, ``2 dimensions``."""
    return count(number, "dimension")


def expected_rank(tensor: TensorMeta, *ranks: int) -> str | None:
    """The reason if the tensor's number of dimensions is none of ``ranks``."""
    if len(tensor.shape) in ranks:
        return None
    return f"expected {' or '.join(map(str, ranks))} dimension{'s' * (ranks[-1] != 1)}, got {len(tensor.shape)}"


def at_least_rank(tensor: TensorMeta, rank: int) -> str | None:
    """The reason if the tensor has fewer than ``rank`` dimensions."""
    return None if len(tensor.shape) >= rank else f"expected at least {dimensions(rank)}, got {len(tensor.shape)}"


def bad_dim(dim: int, rank: int) -> str | None:
    """The reason if ``dim`` is not a dimension of a tensor with ``rank`` of them (scalars have a dim 0 here)."""
    limit = max(rank, 1)
    return None if -limit <= dim < limit else f"dim {dim} is out of range for {dimensions(rank)}"


def repeated_dim(dims: Iterable[int], rank: int) -> str | None:
    """The reason if a dim is out of range or given twice."""
    seen: set[int] = set()
    for dim in dims:
        reason = bad_dim(dim, rank)
        if reason is not None:
            return reason
        place = dim % max(rank, 1)
        if place in seen:
            return f"dim {dim} appears twice"
        seen.add(place)
    return None


def broadcast_fault(first: tuple[int, ...], second: tuple[int, ...], offset: int = 0) -> str | None:
    """The reason if two shapes do not broadcast. ``offset`` dimensions that follow are not part of the shapes."""
    for back in range(1, min(len(first), len(second)) + 1):
        a, b = first[-back], second[-back]
        if a != b and 1 not in (a, b):
            return f"sizes {a} and {b} do not broadcast at dim -{back + offset}"
    return None


def expand_fault(shape: tuple[int, ...], sizes: list[int] | tuple[int, ...]) -> str | None:
    """The reason if ``shape`` does not expand to ``sizes`` (-1 keeps a size)."""
    if len(sizes) < len(shape):
        return f"{count(len(sizes), 'size')} for {dimensions(len(shape))}"
    for back in range(1, len(sizes) + 1):
        wanted = sizes[-back]
        if back > len(shape):
            if wanted == -1:
                return "-1 is not allowed for a new leading dimension"
        elif wanted not in (-1, shape[-back]) and shape[-back] != 1:
            return f"size {shape[-back]} at dim -{back} cannot expand to {wanted}"
    return None


def not_square(tensor: TensorMeta) -> str | None:
    """The reason if the last two dimensions are no square matrix."""
    reason = at_least_rank(tensor, 2)
    if reason is None and tensor.shape[-1] != tensor.shape[-2]:
        return f"expected a square matrix, got {render_shape(tensor.shape[-2:])}"
    return reason


def dtype_name(dtype: torch.dtype) -> str:
    """``int64`` for ``torch.int64``."""
    return str(dtype).removeprefix("torch.")


OPERATOR_NAMES = {
    "truediv": "div", "floordiv": "floor_divide", "mod": "remainder", "invert": "bitwise_not", "and_": "bitwise_and",
    "or_": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
    "pos": "positive", "iadd": "add_", "isub": "sub_", "imul": "mul_", "itruediv": "div_", "ifloordiv": "floor_divide_",
    "imod": "remainder_", "ipow": "pow_", "iand": "bitwise_and_", "ior": "bitwise_or_", "ixor": "bitwise_xor_",
    "ilshift": "bitwise_left_shift_", "irshift": "bitwise_right_shift_", "imatmul": "matmul",
}  # fmt: skip
"""Python's operators by the names of the torch functions they are."""
