"""Argument specifications: a shape and a dtype, from a list of ints or from the command line's text form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword

from rotbot.errors import InputError
from rotbot.shapes.text import parse_int

DTYPES = "float32 float64 float16 bfloat16 complex64 complex128 int8 int16 int32 int64 uint8 bool".split()
DEFAULT_DTYPE = "float32"
MAX_RANK = 64
MAX_DIM = 2**40


@dataclass(frozen=True, slots=True)
class ArgSpec:
    """An argument's shape and dtype name."""

    shape: tuple[int, ...]
    dtype: str = DEFAULT_DTYPE

    def plain(self) -> list[int] | str:
        """The form a user writes: a list of ints for float32, else the text form (``'3,5:int64'``)."""
        if self.dtype == DEFAULT_DTYPE:
            return list(self.shape)
        return ",".join(map(str, self.shape)) + ":" + self.dtype


ArgLike = Sequence[int] | str | ArgSpec
"""What a caller may give for one argument: ``[2, 3]``, ``'2,3'``, ``'2,3:int64'``."""


def parse_arg(value: ArgLike, name: str = "argument") -> ArgSpec:
    """Read one argument. Raises :class:`InputError` that names ``name`` and says what was expected and what came."""
    dims: Sequence[object]
    if isinstance(value, ArgSpec):
        dims, dtype = value.shape, value.dtype
    elif isinstance(value, str):
        dims_text, colon, dtype = value.partition(":")
        dtype = dtype.strip().removeprefix("torch.") if colon else DEFAULT_DTYPE
        dims = _dims(dims_text.strip())
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        dims, dtype = value, DEFAULT_DTYPE
    else:
        raise InputError(f"{name}: expected a shape such as [2, 3] or '2,3:int64', got {type(value).__name__}")
    if dtype not in DTYPES:
        raise InputError(f"{name}: unknown dtype {dtype!r:.40}; expected one of {', '.join(DTYPES)}")
    if len(dims) > MAX_RANK:
        raise InputError(f"{name}: expected at most {MAX_RANK} dimensions, got {len(dims)}")
    shape: list[int] = []
    for dim in dims:
        if not isinstance(dim, int) or isinstance(dim, bool) or not 0 <= dim <= MAX_DIM:
            raise InputError(
                f"{name}: expected dimensions from 0 to 2**40, as in '2,3' or '3,5:int64', got {value!r:.80}"
            )
        shape.append(dim)
    return ArgSpec(tuple(shape), dtype)


def _dims(text: str) -> list[int | None]:
    """``2,3`` or ``[2, 3]``, a comma at the end allowed; None in the place of what is not a number."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1].strip()
    return [parse_int(part.strip()) for part in text.removesuffix(",").split(",")] if text else []


def parse_args(args: Mapping[str, ArgLike]) -> dict[str, ArgSpec]:
    """Read all arguments, in order. Raises :class:`InputError` for a name that is not a Python variable name."""
    if not isinstance(args, Mapping):
        raise InputError(f"args: expected a mapping from names to shapes, got {type(args).__name__}")
    specs = {}
    for name, value in args.items():
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name) or name.startswith("__"):
            raise InputError(f"args: expected variable names, got {name!r:.80}")
        specs[name] = parse_arg(value, name)
    return specs
