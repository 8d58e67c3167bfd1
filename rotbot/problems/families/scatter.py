"""Gathering and scattering: elements picked, or put in place, by a tensor of indices along one dimension."""

from __future__ import annotations

from rotbot.problems.op import INDEX_DTYPE, Context, Draw, Op, Sampler, Shape, both

FAMILY = "scatter"


def _fits_within(y: Shape, x: Shape, dim: int) -> bool:
    """Whether indices of shape ``y`` reach into ``x`` along ``dim``: no larger anywhere else."""
    return len(y) == len(x) and all(i == dim or a <= b for i, (a, b) in enumerate(zip(y, x, strict=True)))


def _beside(c: Context, dim: int) -> Shape:
    """A fresh shape of indices: that of ``x`` with another size along ``dim``, at times fewer rows."""
    shape = list(c.replaced(dim, c.size(32)))
    if c.rank > 1 and c.coin(0.2):
        other = (dim + 1) % c.rank
        shape[other] = c.rng.randint(1, shape[other])
    return tuple(shape)


def _gather(c: Context) -> Draw | None:
    dim = c.rank - 1 if c.coin(0.5) else c.wide()
    index = c.partner(lambda y: _fits_within(y, c.x, dim), lambda: _beside(c, dim), INDEX_DTYPE, c.x[dim])
    if index is None:
        return None
    spelled = c.spell(dim)
    return Draw((index,), both("gather", f"{spelled}, $y", f"dim={spelled}, index=$y"), keeps=False)


def _take_along_dim(c: Context) -> Draw | None:
    dim = c.rank - 1 if c.coin(0.5) else c.wide()
    index = c.partner(
        lambda y: len(y) == c.rank and c.replaced(dim, y[dim]) == y,
        lambda: c.replaced(dim, c.size(32)),
        INDEX_DTYPE,
        c.x[dim],
    )
    if index is None:
        return None
    return Draw((index,), both("take_along_dim", f"$y, dim={c.spell(dim)}"), keeps=False)


def _targets(c: Context, dim: int) -> Shape | None:
    """A partner with the places to write at, no more of them than ``x`` has along ``dim``."""
    return c.partner(
        lambda y: _fits_within(y, c.x, dim) and y[dim] <= c.x[dim],
        lambda: c.replaced(dim, c.size(c.x[dim])),
        INDEX_DTYPE,
        c.x[dim],
    )


def _scatter(c: Context) -> Draw | None:
    dim = c.wide()
    index, spelled = _targets(c, dim), c.spell(dim)
    if index is None:
        return None
    if c.coin(0.5):
        number = c.rng.choice(("1.0", "0.0", "1"))
        return Draw((c.x,), (f"$x.scatter({spelled}, $y, {number})", f"torch.scatter($x, {spelled}, $y, {number})"))
    source = c.partner(lambda z: z == index, lambda: index)
    if source is None:
        return None
    return Draw((c.x,), both("scatter", f"{spelled}, $y, $z", f"dim={spelled}, index=$y, src=$z"))


def _scatter_add(c: Context) -> Draw | None:
    dim = c.wide()
    index = _targets(c, dim)
    source = None if index is None else c.partner(lambda z: z == index, lambda: index)
    if source is None:
        return None
    return Draw((c.x,), both("scatter_add", f"{c.spell(dim)}, $y, $z"))


def _rows(c: Context, dim: int) -> Shape | None:
    """A partner that lists places along ``dim``."""
    return c.partner(lambda y: len(y) == 1 and y[0] <= c.x[dim], lambda: (c.size(c.x[dim]),), INDEX_DTYPE, c.x[dim])


def _index_rows(name: str) -> Sampler:
    """``index_add`` or ``index_copy``: rows of another tensor at places along a dimension."""

    def sample(c: Context) -> Draw | None:
        dim = 0 if c.x[0] > 1 and c.coin(0.5) else c.wide()
        rows = _rows(c, dim)
        shape = None if rows is None else c.replaced(dim, rows[0])
        if shape is None or c.partner(lambda z: z == shape, lambda: shape) is None:
            return None
        return Draw((c.x,), both(name, f"{c.spell(dim)}, $y, $z"))

    return sample


def _index_fill(c: Context) -> Draw | None:
    dim = c.wide()
    if _rows(c, dim) is None:
        return None
    return Draw((c.x,), both("index_fill", f"{c.spell(dim)}, $y, {c.rng.choice(('0', '1', '-1'))}"))


def _select_scatter(c: Context) -> Draw | None:
    dim = c.wide()
    row = c.replaced(dim)
    if c.partner(lambda y: y == row, lambda: row) is None:
        return None
    index = c.rng.choice((0, -1, c.rng.randrange(c.x[dim])))
    spelled = c.spell(dim)
    return Draw((c.x,), both("select_scatter", f"$y, {spelled}, {index}", f"$y, dim={spelled}, index={index}"))


def _slice_scatter(c: Context) -> Draw | None:
    dim = c.wide()
    size, spelled = c.x[dim], c.spell(dim)
    if size < 2:
        return None
    start = c.rng.randrange(min(size - 1, 16))
    stop = c.rng.randint(start + 1, size)
    part = c.replaced(dim, stop - start)
    if part == c.x or c.partner(lambda y: y == part, lambda: part) is None:
        return None
    ends = f"start={start}, end={stop}" if start and stop < size else f"start={start}" if start else f"end={stop}"
    return Draw((c.x,), both("slice_scatter", f"$y, dim={spelled}, {ends}"))


OPS = (
    Op("gather", FAMILY, _gather, ranks=(1, 4), weight=1.2),
    Op("take_along_dim", FAMILY, _take_along_dim, ranks=(1, 4), weight=0.9),
    Op("scatter", FAMILY, _scatter, ranks=(1, 4), weight=0.8),
    Op("scatter_add", FAMILY, _scatter_add, ranks=(1, 4), weight=0.8),
    Op("index_add", FAMILY, _index_rows("index_add"), ranks=(1, 4), weight=0.9),
    Op("index_copy", FAMILY, _index_rows("index_copy"), ranks=(1, 4), weight=0.7),
    Op("index_fill", FAMILY, _index_fill, ranks=(1, 4), weight=0.7),
    Op("select_scatter", FAMILY, _select_scatter, ranks=(2, 4), weight=0.7),
    Op("slice_scatter", FAMILY, _slice_scatter, ranks=(1, 4), weight=0.7),
)
