"""Reshaping: the same elements in the same order, grouped differently."""

from __future__ import annotations

from math import prod

from rotbot.problems.op import ANY, REAL, Context, Draw, Op, Shape, both, easy_product, factors, tupled

FAMILY = "reshape"
Part = tuple[int, str]
"""One new dimension: its size, and the size written with ``$0``, ``$1``, ... for the old sizes."""


def _untouched(x: Shape, start: int, stop: int) -> list[Part]:
    return [(x[i], f"${i}") for i in range(start, stop)]


def _merge(c: Context) -> list[Part] | None:
    """Two neighbours become one, or all but an end become one."""
    if c.rank < 2:
        return None
    start = c.rng.randrange(c.rank - 1)
    stop = start + 2 if c.coin(0.75) or c.rank == 2 else c.rank
    group = c.x[start:stop]
    if not easy_product(group):
        return None
    merged = (prod(group), " * ".join([f"${i}" for i in range(start, stop)]))
    return [*_untouched(c.x, 0, start), merged, *_untouched(c.x, stop, c.rank)]


def _divide(c: Context) -> list[Part] | None:
    """One dimension becomes two."""
    dim = c.rank - 1 if c.coin(0.5) else c.dim()
    choices = factors(c.x[dim])
    if not choices:
        return None
    factor = c.rng.choice(choices)
    pair: list[Part] = [(factor, str(factor)), (c.x[dim] // factor, f"${dim} // {factor}")]
    if c.coin(0.35):
        pair.reverse()
    return [*_untouched(c.x, 0, dim), *pair, *_untouched(c.x, dim + 1, c.rank)]


def _regroup(c: Context) -> tuple[Shape, list[str]] | None:
    """A new grouping and its argument lists: literal sizes, one size left to torch, sizes read from the shape."""
    parts = _merge(c) if c.coin(0.5) else _divide(c)
    if parts is None:
        return None
    shape = tuple(size for size, _ in parts)
    texts = [str(size) for size in shape]
    literal = ", ".join(texts)
    computed = [i for i, (_, text) in enumerate(parts) if not text.lstrip("$").isdigit()]
    gap = c.rng.choice(computed) if computed and c.coin(0.8) else c.rng.randrange(len(shape))
    texts[gap] = "-1"
    symbolic = [text for _, text in parts]
    return shape, [literal, ", ".join(texts), ", ".join(symbolic)]


def _view(c: Context) -> Draw | None:
    regrouped = _regroup(c) if c.contiguous else None
    if regrouped is None:
        return None
    shape, arguments = regrouped
    return Draw((shape,), tuple(f"$x.view({a})" for a in arguments))


def _reshape(c: Context) -> Draw | None:
    regrouped = _regroup(c)
    if regrouped is None:
        return None
    shape, arguments = regrouped
    comma = "," if len(shape) == 1 else ""
    spellings = [f"$x.reshape({a})" for a in arguments] + [f"torch.reshape($x, ({a}{comma}))" for a in arguments[:2]]
    return Draw((shape,), tuple(spellings))


def _flatten(c: Context) -> Draw | None:
    start = c.rng.randrange(c.rank - 1)
    end = c.rank - 1 if c.coin(0.6) else c.rng.randrange(start + 1, c.rank)
    if not easy_product(c.x[start : end + 1]):
        return None
    shape = (*c.x[:start], prod(c.x[start : end + 1]), *c.x[end + 1 :])
    spelled_end = c.spell(end)
    spellings = [
        f"$x.flatten({start}, {spelled_end})",
        f"torch.flatten($x, {start}, {spelled_end})",
        f"$x.flatten(start_dim={start}, end_dim={spelled_end})",
    ]
    if end == c.rank - 1:
        spellings = [f"$x.flatten({start})", f"torch.flatten($x, {start})", f"$x.flatten(start_dim={start})"]
        if start == 0:
            spellings += ["$x.flatten()", "torch.flatten($x)"]
        if start == 1:
            spellings += ["nn.Flatten()($x)"]
    return Draw((shape,), tuple(spellings))


def _unflatten(c: Context) -> Draw | None:
    dim = c.rank - 1 if c.coin(0.5) else c.dim()
    choices = factors(c.x[dim])
    if not choices:
        return None
    factor = c.rng.choice(choices)
    pair = (factor, c.x[dim] // factor)
    gap = (factor, -1) if c.coin(0.5) else (-1, pair[1])
    spelled = c.spell(dim)
    return Draw(
        (c.replaced(dim, *pair),),
        (
            f"$x.unflatten({spelled}, {tupled(pair)})",
            f"$x.unflatten({spelled}, {tupled(gap)})",
            f"torch.unflatten($x, {spelled}, {tupled(pair)})",
        ),
    )


def _squeeze(c: Context) -> Draw | None:
    ones = [i for i, size in enumerate(c.x) if size == 1]
    if not ones:
        if not c.coin(0.03):
            return None
        ones = [c.dim()]
    dim = c.rng.choice(ones)
    spelled = c.spell(dim)
    shape = c.replaced(dim) if c.x[dim] == 1 else c.x
    spellings = [f"$x.squeeze({spelled})", f"torch.squeeze($x, {spelled})", f"$x.squeeze(dim={spelled})"]
    if shape != c.x and ones == [dim]:
        spellings.append("$x.squeeze()")
    if len(ones) > 1 and c.coin(0.5):
        shape = tuple(size for i, size in enumerate(c.x) if i not in ones[:2])
        spellings = [f"$x.squeeze({tupled(ones[:2])})", f"torch.squeeze($x, dim={tupled(ones[:2])})"]
    return Draw((shape,), tuple(spellings))


def _unsqueeze(c: Context) -> Draw | None:
    dim = c.rng.randrange(c.rank + 1)
    spelled = c.spell(dim, c.rank + 1)
    shape = (*c.x[:dim], 1, *c.x[dim:])
    return Draw(
        (shape,), (f"$x.unsqueeze({spelled})", f"torch.unsqueeze($x, {spelled})", f"$x.unsqueeze(dim={spelled})")
    )


def _ravel(c: Context) -> Draw | None:
    if not easy_product(c.x):
        return None
    return Draw(((prod(c.x),),), both("ravel", ""))


def _like(c: Context) -> Shape | None:
    """The shape of a partner with as many elements as ``x``."""
    parts = _merge(c) if c.coin(0.5) else _divide(c)
    regrouped = tuple(size for size, _ in parts) if parts else None
    if regrouped is None:
        return None
    return c.partner(lambda y: y != c.x and prod(y) == prod(c.x) and len(y) > 0, lambda: regrouped)


def _view_as(c: Context) -> Draw | None:
    shape = _like(c) if c.contiguous else None
    return None if shape is None else Draw((shape,), ("$x.view_as($y)",), keeps=False)


def _reshape_as(c: Context) -> Draw | None:
    shape = _like(c)
    return None if shape is None else Draw((shape,), ("$x.reshape_as($y)",), keeps=False)


def _atleast_2d(c: Context) -> Draw | None:
    return Draw((c.x if c.rank > 1 else (1, *c.x),), ("torch.atleast_2d($x)",))


def _atleast_3d(c: Context) -> Draw | None:
    """One dimension goes in the middle, two are followed by a new one."""
    shape = c.x if c.rank > 2 else (*c.x, 1) if c.rank == 2 else (1, *c.x, 1)
    return Draw((shape,), ("torch.atleast_3d($x)",))


OPS = (
    Op("view", FAMILY, _view, ranks=(1, 4), weight=4.0, dtypes=REAL),
    Op("reshape", FAMILY, _reshape, ranks=(1, 4), weight=3.0, dtypes=REAL),
    Op("flatten", FAMILY, _flatten, ranks=(2, 5), weight=2.2, dtypes=ANY),
    Op("unflatten", FAMILY, _unflatten, ranks=(1, 4), dtypes=REAL),
    Op("squeeze", FAMILY, _squeeze, ranks=(1, 5), weight=1.3, dtypes=ANY),
    Op("unsqueeze", FAMILY, _unsqueeze, ranks=(1, 4), weight=1.1, dtypes=ANY),
    Op("ravel", FAMILY, _ravel, ranks=(2, 4), weight=0.4, dtypes=REAL),
    Op("view_as", FAMILY, _view_as, ranks=(1, 4), weight=0.8),
    Op("reshape_as", FAMILY, _reshape_as, ranks=(1, 4), weight=0.6),
    Op("atleast_2d", FAMILY, _atleast_2d, ranks=(1, 2), weight=0.3, dtypes=REAL),
    Op("atleast_3d", FAMILY, _atleast_3d, ranks=(1, 3), weight=0.3, dtypes=REAL),
)
