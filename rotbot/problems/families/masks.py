"""Masks: comparisons, logic on what they give, and choosing by it."""

from __future__ import annotations

from rotbot.problems.op import (
    BOOL,
    FLOAT,
    INDEX_DTYPE,
    NUMBERS,
    Context,
    Draw,
    Op,
    Sampler,
    Shape,
    both,
    broadcast,
    square,
)
from rotbot.shapes.arguments import DEFAULT_DTYPE

FAMILY = "masks"
FILLS = ("0.0", "float('-inf')", "-1e9", "0", "1.0")


def _other(c: Context, dtype: str) -> Shape | None:
    """The shape of an operand that broadcasts with ``x``: most often one row of it, or as large."""
    start = c.rng.randrange(c.rank) if c.coin(0.4) else 0
    rows = c.x[start:] if max(c.x[start:]) > 1 else c.x
    return c.partner(lambda y: bool(y) and broadcast(c.x, y) is not None, lambda: rows, dtype)


def _comparison(name: str, symbol: str) -> Sampler:
    """``x > 0`` and ``x > y``."""

    def sample(c: Context) -> Draw | None:
        if c.coin(0.6):
            number = c.rng.choice(("0", "1", "2") if c.dtype == INDEX_DTYPE else ("0", "0", "0.5", "1"))
            operator = f"$x {symbol} {number}"
            return Draw((c.x,), (operator, operator, *both(name, number)), dtypes=BOOL)
        y = _other(c, c.dtype)
        shape = None if y is None else broadcast(c.x, y)
        if shape is None:
            return None
        operator = f"$x {symbol} $y"
        return Draw((shape,), (operator, operator, *both(name, "$y")), keeps=y == c.x, dtypes=BOOL)

    return sample


def _logic(name: str, symbol: str) -> Sampler:
    """``a & b`` of two masks."""

    def sample(c: Context) -> Draw | None:
        y = _other(c, "bool")
        shape = None if y is None else broadcast(c.x, y)
        if shape is None:
            return None
        operator = f"$x {symbol} $y"
        return Draw((shape,), (operator, operator, f"torch.{name}($x, $y)", f"$x.{name}($y)"), keeps=y == c.x)

    return sample


def _not(c: Context) -> Draw | None:
    return Draw((c.x,), ("~$x", "~$x", "torch.logical_not($x)", "$x.logical_not()"))


def _test(name: str) -> Sampler:
    """``torch.isnan(x)`` and its like."""
    return lambda c: Draw((c.x,), both(name, ""), dtypes=BOOL)


def _isclose(c: Context) -> Draw | None:
    y = _other(c, DEFAULT_DTYPE)
    shape = None if y is None else broadcast(c.x, y)
    return None if shape is None else Draw((shape,), both("isclose", "$y"), keeps=y == c.x, dtypes=BOOL)


def _where(c: Context) -> Draw | None:
    """Elements of one tensor or another, by a mask."""
    if c.dtype == "bool":
        y = c.partner(lambda y: bool(y) and broadcast(c.x, y) is not None, lambda: c.x)
        shape = None if y is None else broadcast(c.x, y)
        if y is None or shape is None:
            return None
        z = c.partner(lambda z: z in (y, shape), lambda: y) if c.coin(0.4) else None
        text = "torch.where($x, $y, $z)" if z else f"torch.where($x, $y, {c.rng.choice(FILLS)})"
        return Draw((shape,), (text,), keeps=y == c.x, dtypes=FLOAT)
    if c.coin(0.5) and c.steps_left > 1:
        return Draw((c.x,), ("torch.where($x > 0, $x, 0.0)", "torch.where($x < 0, 0.0, $x)"), steps=2)
    mask = _other(c, "bool")
    shape = None if mask is None else broadcast(c.x, mask)
    if shape is None:
        return None
    spellings = (f"torch.where($y, $x, {c.rng.choice(FILLS)})", "$x.where($y, 0.0)")
    return Draw((shape,), spellings, keeps=mask == c.x)


def _masked_fill(c: Context) -> Draw | None:
    fill = c.rng.choice(FILLS)
    if c.dtype == "bool":
        y = c.partner(lambda y: bool(y) and broadcast(c.x, y) == y, lambda: c.x)
        return None if y is None else Draw((y,), (f"$y.masked_fill($x, {fill})",), keeps=y == c.x, dtypes=FLOAT)
    if c.steps_left > 1 and c.coin(0.3):
        return Draw((c.x,), (f"$x.masked_fill($x == 0, {fill})", f"$x.masked_fill($x < 0, {fill})"), steps=2)
    mask = c.partner(
        lambda y: bool(y) and broadcast(c.x, y) == c.x,
        lambda: c.x[-2:] if c.coin(0.5) else c.x,
        "bool",
    )
    if mask is None:
        return None
    spellings = [f"$x.masked_fill($y, {fill})", f"torch.masked_fill($x, $y, {fill})"]
    if c.steps_left > 1 and c.coin(0.3):
        return Draw((c.x,), (f"$x.masked_fill(~$y, {fill})",), steps=2)
    return Draw((c.x,), tuple(spellings), keeps=mask == c.x)


def _causal(c: Context) -> Draw | None:
    """Scores of later positions are masked: the mask is made on the spot."""
    size = c.x[-1]
    if c.x[-2] != size or size == 1 or c.steps_left < 3:
        return None
    fill = c.rng.choice(("float('-inf')", "-1e9"))
    ones = f"torch.ones({size}, {size})" if c.coin(0.5) else f"torch.ones(${c.rank - 1}, ${c.rank - 1})"
    if c.steps_left > 3 and c.coin(0.5):
        spellings = [f"$x.masked_fill({ones}.tril() == 0, {fill})", f"$x.masked_fill(torch.tril({ones}) == 0, {fill})"]
        return Draw((c.x,), tuple(spellings), steps=4)
    flags = ones.replace(")", ", dtype=torch.bool)")
    return Draw((c.x,), (f"$x.masked_fill(torch.triu({flags}, diagonal=1), {fill})",), steps=3)


def _float(c: Context) -> Draw | None:
    return Draw((c.x,), ("$x.float()", "$x.float()", "$x.to(torch.float32)"), dtypes=FLOAT)


def _long(c: Context) -> Draw | None:
    return Draw((c.x,), ("$x.long()", "$x.long()", "$x.to(torch.int64)"), dtypes=(INDEX_DTYPE,), bound=2)


OPS = (
    Op("gt", FAMILY, _comparison("gt", ">"), weight=0.35, dtypes=NUMBERS),
    Op("lt", FAMILY, _comparison("lt", "<"), weight=0.25, dtypes=NUMBERS),
    Op("ge", FAMILY, _comparison("ge", ">="), weight=0.2, dtypes=NUMBERS),
    Op("le", FAMILY, _comparison("le", "<="), weight=0.15, dtypes=NUMBERS),
    Op("eq", FAMILY, _comparison("eq", "=="), weight=0.2, dtypes=NUMBERS),
    Op("ne", FAMILY, _comparison("ne", "!="), weight=0.2, dtypes=NUMBERS),
    Op("logical_and", FAMILY, _logic("logical_and", "&"), weight=0.6, joins=True, dtypes=BOOL),
    Op("logical_or", FAMILY, _logic("logical_or", "|"), weight=0.5, joins=True, dtypes=BOOL),
    Op("logical_xor", FAMILY, _logic("logical_xor", "^"), weight=0.3, joins=True, dtypes=BOOL),
    Op("logical_not", FAMILY, _not, weight=0.8, dtypes=BOOL),
    Op("isnan", FAMILY, _test("isnan"), weight=0.15),
    Op("isfinite", FAMILY, _test("isfinite"), weight=0.15),
    Op("isinf", FAMILY, _test("isinf"), weight=0.15),
    Op("isclose", FAMILY, _isclose, weight=0.2),
    Op("where", FAMILY, _where, ranks=(1, 4), weight=0.8, joins=True, dtypes=(DEFAULT_DTYPE, "bool")),
    Op("masked_fill", FAMILY, _masked_fill, ranks=(1, 4), weight=0.9, dtypes=(DEFAULT_DTYPE, "bool")),
    Op("causal_mask", FAMILY, _causal, ranks=(2, 4), weight=1.0, argument=square),
    Op("float", FAMILY, _float, weight=2.0, dtypes=("bool", INDEX_DTYPE)),
    Op("long", FAMILY, _long, weight=0.4, dtypes=BOOL),
)
