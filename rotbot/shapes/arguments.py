"""Argument specifications: a shape and a dtype, from a list of dimensions or from the command line's text form.

A dimension is a number, or an expression of names (``B``, ``3*C``) for a symbolic trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from keyword import iskeyword
from typing import cast

from rotbot.errors import InputError
from rotbot.shapes.records import record
from rotbot.shapes.symbols_text import canonical
from rotbot.shapes.text import parse_int
from rotbot.shapes.trace import Dim, Shape

DTYPES = "float32 float64 float16 bfloat16 complex64 complex128 int8 int16 int32 int64 uint8 bool".split()
DEFAULT_DTYPE = "float32"
MAX_RANK = 64
MAX_DIM = 2**40


@record
class ArgSpec:
    """An argument's shape (ints, and canonical expressions where it is symbolic) and dtype name."""

    shape: Shape
    dtype: str = DEFAULT_DTYPE

    @property
    def symbolic(self) -> bool:
        """Whether a dimension is an expression."""
        return str in set(map(type, self.shape))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape as numbers. Raises :class:`InputError` if a dimension is an expression."""
        if self.symbolic:
            raise InputError(f"expected numbers for all dimensions, got [{', '.join(map(str, self.shape))}]")
        return cast("tuple[int, ...]", self.shape)

    def plain(self) -> list[Dim] | str:
        """The form a user writes: a list of dimensions for float32, else the text form (``'3,5:int64'``)."""
        if self.dtype == DEFAULT_DTYPE:
            return list(self.shape)
        return ",".join(map(str, self.shape)) + ":" + self.dtype


ArgLike = Sequence[int] | Sequence[Dim] | str | ArgSpec
"""What a caller may give for one argument: ``[2, 3]``, ``'2,3'``, ``'2,3:int64'``, ``['B', 'T', 64]``, ``'B,3*C'``."""


def parse_arg(value: ArgLike, name: str = "argument") -> ArgSpec:
    """Read one argument. Raises :class:`InputError` that names ``name`` and says what was expected and what came."""
    dims: Sequence[object]
    if type(value) is list or type(value) is tuple:
        dims, dtype = value, DEFAULT_DTYPE
    elif isinstance(value, ArgSpec):
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
    shape: list[Dim] = []
    for given in dims:
        if type(given) is int and 0 <= given <= MAX_DIM:
            shape.append(given)
            continue
        dim = canonical(given) if isinstance(given, str) else None
        if isinstance(dim, str):
            shape.append(dim)
        elif isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= MAX_DIM:
            shape.append(given)
        else:
            raise InputError(
                f"{name}: expected dimensions from 0 to 2**40 or names, as in '2,3', '3,5:int64' or 'B,T,3*C', "
                f"got {value!r:.80}"
            )
    return ArgSpec(tuple(shape), dtype)


def _dims(text: str) -> list[int | str]:
    """``2,3``, ``[2, 3]``, ``(2, 3)`` or ``torch.Size([2, 3])``, a comma at the end allowed; other text as it is."""
    text = text.removeprefix("torch.Size")
    for first, last in ("()", "[]"):
        if text.startswith(first) and text.endswith(last) and first not in (inner := text[1:-1]) and last not in inner:
            text = inner.strip()
    dims: list[int | str] = []
    for part in text.removesuffix(",").split(",") if text else []:
        number = parse_int(part.strip())
        dims.append(part.strip() if number is None else number)
    return dims


def parse_args(args: Mapping[str, ArgLike]) -> dict[str, ArgSpec]:
    """Read all arguments, in order. Raises :class:`InputError` for a name that is not a Python variable name."""
    if not isinstance(args, (dict, Mapping)):  # a dict is not looked up among abstract classes
        raise InputError(f"args: expected a mapping from names to shapes, got {type(args).__name__}")
    specs = {}
    for name, value in args.items():
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name) or name.startswith("__"):
            raise InputError(f"args: expected variable names, got {name!r:.80}")
        specs[name] = parse_arg(value, name)
    return specs
